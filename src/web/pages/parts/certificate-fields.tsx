import { Check, FieldGroup, NumberField } from '../../parts/fields.tsx';
import type { GroupFormProps } from './group-draft.ts';

/** What identity certificates are like. */
export function CertificateFields({ group: { certificate = {} }, onChange, complaint }: GroupFormProps) {
  const { keys = standardKeys, usages = allUsages } = certificate;
  return (
    <FieldGroup legend="Identity certificates" error={complaint('certificate', 'exactly')}>
      <NumberField
        label="Life in days"
        min={0}
        value={certificate.days}
        error={complaint('certificate.days')}
        onInput={(days) => {
          const { days: _, ...rest } = certificate;
          onChange({ certificate: days === undefined ? rest : { ...rest, days } });
        }}
      />
      <FieldGroup legend="Keys that devices may have" error={complaint('certificate.keys')}>
        <div class="checks">
          {keyKinds.map((kind) => (
            <Check
              key={kind}
              label={kind}
              checked={keys.includes(kind)}
              onChange={() => onChange({ certificate: { ...certificate, keys: flip(keys, kind) } })}
            />
          ))}
        </div>
      </FieldGroup>
      <FieldGroup legend="What their certificates are for" error={complaint('certificate.usages')}>
        <div class="checks">
          {allUsages.map((usage) => (
            <Check
              key={usage}
              label={usage}
              checked={usages.includes(usage)}
              onChange={() => onChange({ certificate: { ...certificate, usages: flip(usages, usage) } })}
            />
          ))}
        </div>
      </FieldGroup>
    </FieldGroup>
  );
}

const keyKinds = ['P-256', 'P-384', 'Ed25519'] as const;
const standardKeys: readonly (typeof keyKinds)[number][] = ['P-256', 'P-384'];
const allUsages = ['clientAuth', 'serverAuth', 'ocfIdentity'] as const;

const flip = <T extends string>(list: readonly T[], each: T): T[] =>
  list.includes(each) ? list.filter((other) => other !== each) : [...list, each];
