#!/usr/bin/perl
# One file, one client after the other, as in perlipc: what print returns is not looked at.
# Usage: oneshot.pl PORT
use strict;
use warnings;
use IO::Socket::INET;

my $server = IO::Socket::INET->new(
    LocalAddr => '127.0.0.1',
    LocalPort => $ARGV[0],
    Listen    => 128,
    Reuse     => 1,
) or die "listen: $!";

while (my $client = $server->accept) {
    $client->autoflush(1);
    my $name = <$client> // '';
    $name =~ s/\s+$//;
    print $client "$name $_ ", '.' x 8000, "\n" for 1 .. 500;
    close $client;
}
