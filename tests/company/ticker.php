<?php
// Forty ticks for each client, one after the other: the idiom of stream_socket_server's manual page.
$server = stream_socket_server('tcp://127.0.0.1:0');
echo 'listening on ', stream_socket_get_name($server, false), "\n";
while ($client = stream_socket_accept($server, -1)) {
    fgets($client);
    for ($tick = 0; $tick < 40; $tick++) {
        if (@fwrite($client, "tick $tick " . str_repeat('.', 200) . "\n") === false)
            break;
        usleep(10000);
    }
    fclose($client);
}
