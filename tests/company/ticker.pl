# Forty ticks for each client, one after the other: the idiom of IO::Socket's documentation.
use strict;
use warnings;
use IO::Socket::INET;

$| = 1;
my $server = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 5) or die "listen: $@";
printf "listening on 127.0.0.1:%d\n", $server->sockport;
while (my $client = $server->accept) {
    $client->autoflush(1);
    <$client>;
    for my $tick (1 .. 40) {
        print $client "tick $tick ", '.' x 200, "\n" or last;
        select undef, undef, undef, 0.01;
    }
}
