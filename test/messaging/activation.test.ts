import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ACTIVE_MS } from '../../engine/engine.ts';
import { activationDue, activationOfRepeat, confirmActivation } from '../../messaging/activation.ts';

const NOW = 1_700_000_000_000;
const state = (activeUntil: number, notifyFrom = 0) => ({ head: 20, epoch: 'e1', activeUntil, notifyFrom });

test('in the first half of the hour nothing is due, and in the second half an extension from the own event', () => {
  assert.equal(activationDue(state(NOW + ACTIVE_MS / 2), NOW, 20), undefined);
  const due = { epoch: 'e1', from: 19, until: NOW + ACTIVE_MS, listedThrough: 20 };
  assert.deepEqual(activationDue(state(NOW + ACTIVE_MS / 2 - 1), NOW, 19), due);
});

test('what nobody was told of is due from its first event, whenever', () => {
  const due = { epoch: 'e1', from: 7, until: NOW + ACTIVE_MS, listedThrough: 20 };
  assert.deepEqual(activationDue(state(NOW + ACTIVE_MS, 7), NOW, 20), due);
  assert.deepEqual(activationDue(state(0, 7), NOW, 20), due);
});

test('a repeat is told again only if its event may not have been told', () => {
  assert.equal(activationOfRepeat(state(NOW + 1), NOW, 12), undefined);
  assert.equal(activationOfRepeat(state(0, 13), NOW, 12), undefined);
  assert.equal(activationOfRepeat(state(0, 12), NOW, 12)?.from, 12);
});

test('a confirmation covers what was not told, and keeps the beginning of a period that it extends', () => {
  const before = { activeUntil: NOW, activeFrom: 5, notifyFrom: 12, addedSeq: 3 };
  const extended = confirmActivation(before, 20, { until: NOW + ACTIVE_MS / 2, listedThrough: 20 });
  assert.deepEqual(extended, { state: { ...before, activeUntil: NOW + ACTIVE_MS / 2, notifyFrom: 0 }, relist: 0 });
  const anew = confirmActivation(before, 20, { until: NOW + ACTIVE_MS, listedThrough: 20 });
  assert.deepEqual(anew.state, { activeUntil: NOW + ACTIVE_MS, activeFrom: 12, notifyFrom: 0, addedSeq: 3 });
  const nothingNew = confirmActivation({ ...before, notifyFrom: 0 }, 20, { until: NOW + ACTIVE_MS, listedThrough: 20 });
  assert.equal(nothingNew.state.activeFrom, 21);
});

test('a confirmation whose listing may lack somebody covers nothing, and says up to where to list', () => {
  const before = { activeUntil: 0, activeFrom: 0, notifyFrom: 12, addedSeq: 15 };
  const { state, relist } = confirmActivation(before, 20, { until: NOW + ACTIVE_MS, listedThrough: 14 });
  assert.deepEqual([state.notifyFrom, relist], [12, 15]);
  assert.equal(confirmActivation(before, 20, { until: NOW + ACTIVE_MS, listedThrough: 15 }).relist, 0);
});

test('an older confirmation that comes late takes nothing back', () => {
  const before = { activeUntil: NOW + ACTIVE_MS, activeFrom: 5, notifyFrom: 0, addedSeq: 3 };
  const { state } = confirmActivation(before, 20, { until: NOW, listedThrough: 20 });
  assert.deepEqual(state, before);
});
