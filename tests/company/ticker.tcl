# Forty ticks for each client: the idiom of the socket command's manual page.
proc welcome {client address port} {
    chan configure $client -buffering line
    chan event $client readable [list start $client]
}

proc start {client} {
    chan event $client readable {}
    gets $client
    tick $client 0
}

proc tick {client number} {
    if {$number == 40 || [catch {puts $client "tick $number [string repeat . 200]"}]} {
        catch {close $client}
    } else {
        after 10 [list tick $client [incr number]]
    }
}

set server [socket -server welcome -myaddr 127.0.0.1 0]
puts "listening on 127.0.0.1:[lindex [chan configure $server -sockname] 2]"
flush stdout
vwait forever
