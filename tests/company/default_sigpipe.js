// Gives SIGPIPE its default action, as a handler that a program has taken away again leaves it. Node itself ignores it.
const handler = () => {};
process.on('SIGPIPE', handler);
process.removeListener('SIGPIPE', handler);
