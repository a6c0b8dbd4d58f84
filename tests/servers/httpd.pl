#!/usr/bin/perl
# The synopsis of HTTP::Daemon, with a folder to serve.
# Usage: httpd.pl PORT FOLDER
use strict;
use warnings;
use HTTP::Daemon;
use HTTP::Status;

my ($port, $folder) = @ARGV;
my $d = HTTP::Daemon->new(
    LocalAddr => '127.0.0.1',
    LocalPort => $port,
    Listen    => 128,
    ReuseAddr => 1,
) || die "listen: $!";

while (my $c = $d->accept) {
    while (my $r = $c->get_request) {
        if ($r->method eq 'GET' and $r->uri->path eq '/big') {
            $c->send_file_response("$folder/big");
        }
        else {
            $c->send_error(RC_FORBIDDEN);
        }
    }
    $c->close;
    undef($c);
}
