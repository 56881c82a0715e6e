// Loaded into a child by `--import`: ends it when its parent is gone, however the parent ended. It is asked first.
const grace = 5_000

process.once('disconnect', () => {
  process.kill(process.pid, 'SIGTERM')
  setTimeout(() => process.kill(process.pid, 'SIGKILL'), grace).unref()
})
// Only the listener above is wanted, not a channel that keeps a finished process alive.
process.channel?.unref()
