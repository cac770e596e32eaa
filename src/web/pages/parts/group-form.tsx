import { Check, Choice, TextField } from '../../parts/fields.tsx';
import { AccessEditor } from './access-editor.tsx';
import { AdmissionFields } from './admission-fields.tsx';
import { AttestationFields } from './attestation-fields.tsx';
import { CertificateFields } from './certificate-fields.tsx';
import type { GroupFormProps } from './group-draft.ts';
import { HubsField } from './hubs-field.tsx';
import { JsonField } from './json-field.tsx';

/** Everything that a group says, field by field; docs/policy.md explains each. */
export function GroupForm(props: GroupFormProps) {
  return (
    <>
      <section class="panel form-panel" aria-label="The group">
        <h2>The group</h2>
        <Basics {...props} />
      </section>
      <section class="panel form-panel" aria-label="Which devices it takes">
        <h2>Which devices it takes</h2>
        <AttestationFields {...props} />
      </section>
      <section class="panel form-panel" aria-label="Who may come in">
        <h2>Who may come in</h2>
        <AdmissionFields {...props} />
      </section>
      <section class="panel form-panel" aria-label="Where they go">
        <h2>Where they go</h2>
        <HubsField {...props} />
      </section>
      <section class="panel form-panel" aria-label="What they get">
        <h2>What they get</h2>
        <CertificateFields {...props} />
        <Gets {...props} />
      </section>
      <section class="panel form-panel" aria-label="Who may do what on them">
        <h2>Who may do what on them</h2>
        <AccessEditor {...props} />
      </section>
      <section class="panel form-panel" aria-label="When they come again">
        <h2>When they come again</h2>
        <Again {...props} />
      </section>
    </>
  );
}

function Basics({ group, onChange, complaint }: GroupFormProps) {
  return (
    <>
      <TextField
        label="Name"
        required
        value={group.name}
        error={complaint('name')}
        onInput={(name) => onChange({ name })}
      />
      <TextField
        label="Owner"
        required
        hint="Whose its devices become: a name, or a UUID."
        value={group.owner}
        error={complaint('owner')}
        onInput={(owner) => onChange({ owner })}
      />
      <Check
        label="Enabled"
        hint="None of its devices is let in while it is not."
        checked={group.enabled !== false}
        onChange={(enabled) => onChange({ enabled })}
      />
    </>
  );
}

function Gets({ group, onChange, complaint }: GroupFormProps) {
  return (
    <>
      <JsonField
        label="Payload, as JSON (optional)"
        hint="An object, delivered beside the cloud configuration as it stands here."
        value={group.payload}
        error={complaint('payload')}
        onChange={(payload) => onChange({ payload })}
      />
      <TextField
        label="Master of the owner's keys (optional)"
        type="password"
        hint="16 to 64 bytes in hexadecimal; each device gets a key derived from it. One that is there is not shown."
        placeholder={group.ownerPsk === null ? 'keep the one that is there' : ''}
        value={group.ownerPsk ?? ''}
        error={complaint('ownerPsk')}
        onInput={(text) =>
          onChange({ ownerPsk: text === '' ? (group.ownerPsk === undefined ? undefined : null) : text })
        }
      />
      {group.ownerPsk !== undefined && (
        <Check
          label="All devices get the first 16 bytes of it, and not each a key of its own"
          checked={group.ownerPskShared === true}
          onChange={(ownerPskShared) => onChange({ ownerPskShared })}
        />
      )}
    </>
  );
}

function Again({ group, onChange, complaint }: GroupFormProps) {
  return (
    <>
      <Choice
        label="A device that comes again"
        value={group.reprovisioning ?? 'migrate'}
        choices={[
          { value: 'migrate', label: 'migrate: it gets what the policy says now' },
          { value: 'keep', label: 'keep: it stays with its group, owner and hub' },
          { value: 'never', label: 'never: as keep, and a factory reset needs an operator' },
        ]}
        error={complaint('reprovisioning')}
        onChange={(reprovisioning) => onChange({ reprovisioning })}
      />
      <Choice
        label="One key in two places"
        value={group.clones ?? 'alarm'}
        choices={[
          { value: 'alarm', label: 'alarm' },
          { value: 'quarantine', label: 'quarantine: an alarm, and the device is held' },
        ]}
        error={complaint('clones')}
        onChange={(clones) => onChange({ clones })}
      />
    </>
  );
}
