import { describe, expect, it } from 'vitest';
import { ManualTimers } from '../../../src/core/clock.ts';
import { limits } from '../../../src/core/limits.ts';
import { GroupCommit } from '../../../src/store/commit.ts';
import { put, type WriteOp } from '../../../src/store/medium.ts';

describe('group commit', () => {
  it('collects for the commit delay and writes once, synced when one of the writes is durable', async () => {
    const { commit, timers, medium } = subject();
    const writes = [commit.add([put('a', '1')], false), commit.add([put('b', '2')], true)];
    timers.advanceTo(limits.store.commitDelay - 1);
    expect(medium.batches).toEqual([]);
    timers.advanceTo(limits.store.commitDelay);
    expect(medium.batches).toEqual([{ keys: ['a', 'b'], synced: true }]);
    medium.finish();
    await Promise.all(writes);
  });

  it('does not sync what nobody asked to be durable', async () => {
    const { commit, timers, medium } = subject();
    void commit.add([put('a', '1')], false);
    timers.advanceTo(limits.store.commitDelay);
    expect(medium.batches).toEqual([{ keys: ['a'], synced: false }]);
  });

  it('does not wait when a batch is full', () => {
    const { commit, medium } = subject();
    for (let k = 0; k < limits.store.commitBatch; k++) void commit.add([put(`${k}`, '')], true);
    expect(medium.batches).toHaveLength(1);
  });

  it('has one batch under way; what comes meanwhile goes together as soon as that is through', async () => {
    const { commit, timers, medium } = subject();
    const first = commit.add([put('a', '1')], true);
    timers.advanceTo(limits.store.commitDelay);
    const second = [commit.add([put('b', '')], true), commit.add([put('c', '')], false)];
    timers.advanceTo(100);
    expect(medium.batches).toHaveLength(1);
    medium.finish();
    await first;
    expect(medium.batches.slice(1)).toEqual([{ keys: ['b', 'c'], synced: true }]);
    medium.finish();
    await Promise.all(second);
  });

  it('shows what is under way until it is written', async () => {
    const { commit, timers, medium } = subject();
    const written = commit.add([put('a', '1')], true);
    expect(commit.pending('a')?.value).toBe('1');
    timers.advanceTo(limits.store.commitDelay);
    const later = commit.add([put('a', '2')], true);
    medium.finish();
    await written;
    expect(commit.pending('a')?.value).toBe('2');
    medium.finish();
    await later;
    expect(commit.pending('a')).toBeUndefined();
  });

  it('rejects every writer of a failed batch and every one queued behind it, then goes on', async () => {
    const { commit, timers, medium } = subject();
    const waiting = [commit.add([put('a', '1')], true), commit.add([put('b', '1')], false)];
    timers.advanceTo(limits.store.commitDelay);
    waiting.push(commit.add([put('a', '2')], true));
    medium.fail(new Error('no space left on device'));
    for (const result of await Promise.allSettled(waiting)) {
      expect(result).toMatchObject({ status: 'rejected', reason: { code: 'service.store' } });
    }
    expect(commit.pending('a')).toBeUndefined();
    const after = commit.add([put('c', '')], true);
    timers.advanceTo(100);
    medium.finish();
    await after;
    expect(medium.batches.at(-1)).toEqual({ keys: ['c'], synced: true });
  });

  it('answers busy instead of growing without bound', async () => {
    const { commit, timers, medium } = subject();
    void commit.add([put('a', '')], true);
    timers.advanceTo(limits.store.commitDelay);
    for (let k = 0; k < limits.store.queuedWrites; k++) void commit.add([put(`${k}`, '')], false);
    await expect(commit.add([put('z', '')], true)).rejects.toMatchObject({ code: 'service.busy' });
    medium.finish();
  });

  it('takes one large lot beside what the others queue, whole, and refuses a second one and one without bound', async () => {
    const { commit, timers, medium } = subject();
    void commit.add([put('a', '')], true);
    timers.advanceTo(limits.store.commitDelay);
    const lot = (length: number): WriteOp[] => Array.from({ length }, (_, k) => put(`large ${k}`, ''));
    const large = commit.add(lot(limits.store.queuedWrites + 1), true);
    const small = commit.add([put('z', '')], true);
    await expect(commit.add(lot(limits.store.largeBatch + 1), true)).rejects.toMatchObject({ code: 'service.busy' });
    medium.finish();
    await new Promise(setImmediate);
    expect(medium.batches[1]?.keys).toHaveLength(limits.store.queuedWrites + 2);
    medium.finish();
    await Promise.all([large, small]);
    const endless = { length: limits.store.batchWrites + 1 } as WriteOp[];
    await expect(commit.add(endless, true)).rejects.toMatchObject({ code: 'service.busy' });
  });

  it('writes what is queued when it is closed, and takes nothing more', async () => {
    const { commit, medium } = subject();
    const written = commit.add([put('a', '')], true);
    const closed = commit.close();
    await expect(commit.add([put('b', '')], true)).rejects.toMatchObject({ code: 'service.store' });
    medium.finish();
    await closed;
    await written;
    expect(medium.batches).toEqual([{ keys: ['a'], synced: true }]);
  });
});

function subject() {
  const timers = new ManualTimers(0);
  const batches: { keys: string[]; synced: boolean }[] = [];
  let settle: { resolve: () => void; reject: (error: Error) => void } | undefined;
  const write = (ops: readonly WriteOp[], synced: boolean): Promise<void> => {
    batches.push({ keys: ops.map(({ key }) => key), synced });
    return new Promise((resolve, reject) => {
      settle = { resolve, reject };
    });
  };
  const commit = new GroupCommit({ timers, write });
  const medium = { batches, finish: () => settle?.resolve(), fail: (error: Error) => settle?.reject(error) };
  return { commit, timers, medium };
}
