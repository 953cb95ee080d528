import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { openForWriting } from '../connection.ts';
import { Checkpoints } from './checkpoints.ts';
import { GroupCommit } from './group-commit.ts';
import { CLOSE, type Job, READY, type WriterData } from './jobs.ts';

/** Commits one transaction takes; more would make those at its head wait too long. */
const GROUP_COMMITS = 2000;

const { path, feedDays, maxPages } = workerData as WriterData;
const port = parentPort as MessagePort;
const db = openForWriting(path, maxPages === undefined ? {} : { maxPages });
const commits = new GroupCommit(db, feedDays);
const checkpoints = new Checkpoints(db);

port.on('message', (first: string) => {
  const jobs: Job[] = [];
  let taken = 0;
  // What came while the last transaction was on its way to the disk goes into this one.
  for (let text: string | undefined = first; text !== undefined; text = taken < GROUP_COMMITS ? next() : undefined) {
    if (text === CLOSE) {
      commit(jobs);
      db.close();
      port.close();
      return;
    }
    for (const job of JSON.parse(text) as Job[]) {
      jobs.push(job);
      taken += job.job === 'commit' ? job.commits.length : 1;
    }
  }
  commit(jobs);
});
port.postMessage(READY);

function next(): string | undefined {
  return receiveMessageOnPort(port)?.message;
}

function commit(jobs: Job[]): void {
  if (jobs.length === 0) return;
  port.postMessage(commits.run(jobs));
  checkpoints.after(commits.takeErased());
}
