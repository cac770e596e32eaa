import Type from 'typebox';
import { errorTable } from '../../core/errors.ts';
import type { StatisticsSlot, StatisticsView } from '../../operator/statistics-view.ts';
import { stages, verdicts } from '../../store/model.ts';
import { closed, count, listOf, part, resource, time } from './parts.ts';

const counts = (description: string) => Type.Array(Type.Integer({ minimum: 0 }), { description });
const bounds = (description: string) => Type.Array(Type.Number({ minimum: 0 }), { description });
const some = (
  names: readonly string[],
  value: ReturnType<typeof Type.Integer> | ReturnType<typeof counts>,
  description: string,
) => Type.Object(Object.fromEntries(names.map((name) => [name, Type.Optional(value)])), { ...closed, description });

const slot = part<StatisticsSlot>({
  at: time('when the slot begins'),
  verdicts: some(verdicts, count('attempts'), 'attempts that ended, by verdict'),
  codes: some(Object.keys(errorTable), count('attempts'), 'those that were refused or failed, by code'),
  bytesIn: count('bytes that these attempts sent'),
  bytesOut: count('bytes that they were sent'),
  stages: some(['handshake', ...stages], counts('by the bounds'), 'what the service took for a stage'),
  runs: counts('from the first session of a first boot to its last answer, by the bounds'),
});

export const statistics = resource<StatisticsView>('Statistics', 'What ended, by slots of time.', {
  step: count('length of a slot, ms'),
  slots: listOf<StatisticsSlot>(slot, 'in order; those without anything are left out'),
  bounds: part<StatisticsView['bounds']>(
    { stages: bounds('of the counts of stages, ms'), runs: bounds('of the counts of runs, ms') },
    'upper bounds; one count more is of what took longer',
  ),
});
