/** Preloaded into each of the demo's proxies: drains when the demo is gone, however it went. */

process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'));
// The channel is for noticing its end; it must not keep a drained proxy alive.
process.channel?.unref();
