// Forty ticks for each client: the idiom of the net module's documentation, and half-open as the http module has it.
const net = require('net');

const server = net.createServer({ allowHalfOpen: true }, (client) => {
  let tick = 0;
  client.once('data', () => {
    const timer = setInterval(() => {
      client.write(`tick ${tick} ${'.'.repeat(200)}\n`);
      if (++tick === 40) client.end();
    }, 10);
    client.on('close', () => clearInterval(timer));
  });
  client.on('error', () => {}); // the player has left
});
server.listen(0, '127.0.0.1', () => console.log(`listening on 127.0.0.1:${server.address().port}`));
