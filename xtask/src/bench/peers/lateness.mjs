// How late scheduled jobs begin at another queue with its usual settings: `node lateness.mjs pg-boss|graphile-worker URL COUNT SECONDS`.
import pg from 'pg'

const [, , peer, url, ...numbers] = process.argv
const [count, seconds] = numbers.map(Number)
const location = new URL(url)
const config = {
  host: decodeURIComponent(location.hostname),
  user: location.username,
  database: location.pathname.slice(1),
}

// The same moments for everyone: evenly spread, none on a whole second.
const first = Date.now() + 4_137
const due = Array.from({ length: count }, (_, n) => Math.round(first + (n * seconds * 1_000) / count))
const late = []
let finished
const all = new Promise((resolve) => { finished = resolve })
const began = (n) => {
  late.push(Date.now() - due[n])
  if (late.length === count) finished()
}

const peers = {
  async 'pg-boss'() {
    const { default: PgBoss } = await import('pg-boss')
    const boss = new PgBoss(config)
    boss.on('error', (error) => { throw error })
    await boss.start()
    await boss.createQueue('pins')
    for (let n = 0; n < count; n += 1) {
      await boss.send('pins', { n }, { startAfter: new Date(due[n]) })
    }
    await boss.work('pins', { batchSize: 100 }, async (jobs) => {
      for (const job of jobs) began(job.data.n)
    })
    await all
  },

  async 'graphile-worker'() {
    const { run } = await import('graphile-worker')
    const pgPool = new pg.Pool({ ...config, max: 20 })
    const runner = await run({
      pgPool,
      concurrency: 16,
      noHandleSignals: true,
      taskList: { pin: async (payload) => began(payload.n) },
    })
    for (let n = 0; n < count; n += 1) {
      await runner.addJob('pin', { n }, { runAt: new Date(due[n]) })
    }
    await all
    await runner.stop()
  },
}

await peers[peer]()
console.log(JSON.stringify({ late_ms: late }))
process.exit(0)
