# Forty ticks for each client, a thread each: the idiom of TCPServer's documentation.
require 'socket'

server = TCPServer.new('127.0.0.1', 0)
puts "listening on 127.0.0.1:#{server.addr[1]}"
$stdout.flush
loop do
  Thread.start(server.accept) do |client|
    client.gets
    40.times do |tick|
      client.puts "tick #{tick} #{'.' * 200}"
      sleep 0.01
    end
  rescue SystemCallError
    # the player has left
  ensure
    client.close
  end
end
