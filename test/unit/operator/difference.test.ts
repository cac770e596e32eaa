import { expect, it } from 'vitest';
import { days } from '../../../src/core/clock.ts';
import { differences } from '../../../src/operator/difference.ts';

it('says how long certificates live before and after, and shows no key', () => {
  const row = (life: number, ownerPsk: string) => ({ certificate: { keys: ['P-256'], life: days(life) }, ownerPsk });
  expect(differences(row(90, 'one'), row(30, 'two'))).toEqual([
    { field: 'certificate', text: 'certificate days 90 -> 30' },
    { field: 'ownerPsk', text: 'ownerPsk changes' },
  ]);
});
