// Jobs a second of another queue on the same server: `node dispatch.mjs pg-boss|graphile-worker URL COUNT`.
// Counted from the first fetch until the database shows that all are complete.
import pg from 'pg'

const [, , peer, url, text] = process.argv
const count = Number(text)
const location = new URL(url)
const config = {
  host: decodeURIComponent(location.hostname),
  user: location.username,
  database: location.pathname.slice(1),
}

const peers = {
  async 'pg-boss'() {
    const { default: PgBoss } = await import('pg-boss')
    const boss = new PgBoss({ ...config, schedule: false, supervise: false })
    boss.on('error', (error) => { throw error })
    await boss.start()
    await boss.createQueue('pins')
    for (let n = 0; n < count; n += 1000) {
      await boss.insert(Array.from({ length: Math.min(1000, count - n) }, (_, i) => ({ name: 'pins', data: { n: n + i } })))
    }
    const begun = process.hrtime.bigint()
    await Promise.all(Array.from({ length: 4 }, async () => {
      for (;;) {
        const jobs = await boss.fetch('pins', { batchSize: 100 })
        if (jobs.length === 0) return
        await boss.complete('pins', jobs.map((job) => job.id))
      }
    }))
    const seconds = Number(process.hrtime.bigint() - begun) / 1e9
    await boss.stop({ graceful: false })
    return seconds
  },

  async 'graphile-worker'() {
    const { run, makeWorkerUtils } = await import('graphile-worker')
    const pgPool = new pg.Pool({ ...config, max: 20 })
    const utils = await makeWorkerUtils({ pgPool })
    await utils.migrate()
    await pgPool.query(
      "SELECT graphile_worker.add_job('pin', json_build_object('n', n)) FROM generate_series(1, $1::int) AS n",
      [count],
    )
    const begun = process.hrtime.bigint()
    const runner = await run({
      pgPool,
      concurrency: 16,
      noHandleSignals: true,
      taskList: { pin: async () => {} },
      logger: undefined,
    })
    for (;;) {
      const { rows } = await pgPool.query('SELECT count(*)::int AS open FROM graphile_worker._private_jobs')
      if (rows[0].open === 0) break
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    const seconds = Number(process.hrtime.bigint() - begun) / 1e9
    await runner.stop()
    await utils.release()
    await pgPool.end()
    return seconds
  },
}

console.log(JSON.stringify({ jobs_per_second: count / (await peers[peer]()) }))
process.exit(0)
