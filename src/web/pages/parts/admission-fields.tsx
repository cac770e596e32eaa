import { Choice, TextField } from '../../parts/fields.tsx';
import type { GroupFormProps } from './group-draft.ts';
import { SelectorsEditor } from './list-editors.tsx';

/** Who of them comes in, and by which id. */
export function AdmissionFields({ group, onChange, complaint }: GroupFormProps) {
  return (
    <>
      <Choice
        label="Admission of new devices"
        value={group.admission ?? 'auto'}
        choices={[
          { value: 'auto', label: 'auto: whoever the lists let in' },
          { value: 'manual', label: 'manual: they wait for approval' },
          { value: 'preauthorized', label: 'preauthorized: who is on that list' },
        ]}
        error={complaint('admission')}
        onChange={(admission) => onChange({ admission })}
      />
      <SelectorsEditor
        legend="Short allow list"
        hint="When there are any, only these come in. Long lists are below."
        selectors={group.allow ?? []}
        error={complaint('allow')}
        onChange={(allow) => onChange({ allow: allow.length > 0 ? [...allow] : undefined })}
      />
      <SelectorsEditor
        legend="Short deny list"
        hint="These never come in. Deny beats allow."
        selectors={group.deny ?? []}
        error={complaint('deny')}
        onChange={(deny) => onChange({ deny: deny.length > 0 ? [...deny] : undefined })}
      />
      <Choice
        label="Device ids"
        value={typeof group.deviceIds === 'object' ? 'template' : 'own'}
        choices={[
          { value: 'own', label: 'own: whatever the device chose, bound to its key' },
          { value: 'template', label: 'template: the one that follows from its certificate or key' },
        ]}
        error={complaint('deviceIds', 'exactly')}
        onChange={(kind) => onChange({ deviceIds: kind === 'own' ? 'own' : { template: '' } })}
      />
      {typeof group.deviceIds === 'object' && (
        <TextField
          label="Template"
          hint={`Text with \${cert.subject.cn}, \${cert.subject.serialNumber}, \${cert.serial}, \${key.id} or \${psk.identity}.`}
          value={group.deviceIds.template}
          error={complaint('deviceIds.template')}
          onInput={(template) => onChange({ deviceIds: { template } })}
        />
      )}
    </>
  );
}
