import { Check, Choice, TextField } from '../../parts/fields.tsx';
import { AccessListView } from './access-list-view.tsx';
import type { ChangeGroup, GroupFields } from './group-draft.ts';
import { HubsField } from './hubs-field.tsx';
import { FieldGroup, JsonField, SelectorsEditor, TextsEditor } from './list-editors.tsx';
import { PemPreview, pemBlocks, pemOrText } from './pem-preview.tsx';
import { PskEditor } from './psk-editor.tsx';
import { linesOf } from './words.ts';

export interface GroupFormProps {
  readonly group: GroupFields;
  readonly onChange: ChangeGroup;
  /** What is wrong with a field. */
  readonly complaint: (field: string) => string | undefined;
}

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
        <Takes {...props} />
      </section>
      <section class="panel form-panel" aria-label="Who may come in">
        <h2>Who may come in</h2>
        <Admission {...props} />
      </section>
      <section class="panel form-panel" aria-label="What they get">
        <h2>What they get</h2>
        <HubsField {...props} />
        <Gets {...props} />
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

function Takes({ group, onChange, complaint }: GroupFormProps) {
  const pem = { rows: 4, split: pemBlocks, preview: (text: string) => <PemPreview pem={text} /> };
  return (
    <>
      <TextsEditor
        legend="Trust anchors"
        hint="PEM: roots of the manufacturer. A device's chain has to end at one of them."
        one="anchor"
        texts={group.anchors ?? []}
        error={complaint('anchors')}
        onChange={(anchors) => onChange({ anchors: [...anchors] })}
        {...pem}
      />
      <TextsEditor
        legend="Lead certificates"
        hint="PEM: when there are any, one of them has to be in the path of a device, not just an anchor."
        one="lead"
        texts={group.leads ?? []}
        error={complaint('leads')}
        onChange={(leads) => onChange({ leads: leads.length > 0 ? [...leads] : undefined })}
        {...pem}
      />
      <TextsEditor
        legend="Intermediates"
        hint="PEM: for devices that do not send theirs."
        one="intermediate"
        texts={group.intermediates ?? []}
        error={complaint('intermediates')}
        onChange={(list) => onChange({ intermediates: list.length > 0 ? [...list] : undefined })}
        {...pem}
      />
      <TextsEditor
        legend="Revocation lists"
        hint="A URL (fetched again and again), or PEM."
        one="list"
        texts={group.crls ?? []}
        rows={2}
        error={complaint('crls')}
        preview={pemOrText}
        onChange={(crls) => onChange({ crls: crls.length > 0 ? [...crls] : undefined })}
      />
      <TextField
        label="Days that an expired manufacturer certificate is still taken"
        type="number"
        value={group.expiredGraceDays === undefined ? '' : String(group.expiredGraceDays)}
        error={complaint('expiredGraceDays')}
        onInput={(text) => onChange({ expiredGraceDays: text === '' ? undefined : Number(text) })}
      />
      <PskEditor
        keys={group.psk ?? []}
        error={complaint('psk')}
        onChange={(psk) => onChange({ psk: psk.length > 0 ? psk : undefined })}
      />
      <TextsEditor
        legend="Pinned keys"
        hint="SHA-256 of the public key (64 hexadecimal digits), or PEM of a certificate or public key. Several go one a line."
        one="pin"
        texts={group.pins ?? []}
        rows={2}
        split={(text) => (text.includes('-----BEGIN') ? pemBlocks(text) : linesOf(text))}
        preview={pemOrText}
        error={complaint('pins')}
        onChange={(pins) => onChange({ pins: pins.length > 0 ? [...pins] : undefined })}
      />
    </>
  );
}

function Admission({ group, onChange, complaint }: GroupFormProps) {
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
        error={complaint('deviceIds')}
        onChange={(kind) => onChange({ deviceIds: kind === 'own' ? 'own' : { template: '' } })}
      />
      {typeof group.deviceIds === 'object' && (
        <TextField
          label="Template"
          hint={`Text with \${cert.subject.cn}, \${cert.subject.serialNumber}, \${cert.serial}, \${key.id} or \${psk.identity}.`}
          value={group.deviceIds.template}
          onInput={(template) => onChange({ deviceIds: { template } })}
        />
      )}
    </>
  );
}

const keyKinds = ['P-256', 'P-384', 'Ed25519'] as const;
const standardKeys: readonly (typeof keyKinds)[number][] = ['P-256', 'P-384'];
const usages = ['clientAuth', 'serverAuth', 'ocfIdentity'] as const;

function Gets({ group, onChange, complaint }: GroupFormProps) {
  const { certificate = {}, acl } = group;
  const flip = <T extends string>(list: readonly T[], each: T): T[] =>
    list.includes(each) ? list.filter((other) => other !== each) : [...list, each];
  return (
    <>
      <FieldGroup legend="Identity certificates" error={complaint('certificate')}>
        <TextField
          label="Life in days"
          type="number"
          value={certificate.days === undefined ? '' : String(certificate.days)}
          onInput={(text) => {
            const { days: _, ...rest } = certificate;
            onChange({ certificate: text === '' ? rest : { ...rest, days: Number(text) } });
          }}
        />
        {keyKinds.map((kind) => (
          <Check
            key={kind}
            label={`Keys of kind ${kind}`}
            checked={(certificate.keys ?? standardKeys).includes(kind)}
            onChange={() =>
              onChange({ certificate: { ...certificate, keys: flip(certificate.keys ?? standardKeys, kind) } })
            }
          />
        ))}
        {usages.map((usage) => (
          <Check
            key={usage}
            label={`Usage ${usage}`}
            checked={(certificate.usages ?? usages).includes(usage)}
            onChange={() =>
              onChange({ certificate: { ...certificate, usages: flip(certificate.usages ?? usages, usage) } })
            }
          />
        ))}
      </FieldGroup>
      <JsonField
        label="Access control list, as JSON (empty: the standard one)"
        hint='[{"subject": "owner", "permission": "all", "resources": ["*"]}]; subjects: owner, hub, anonymous, authenticated, a UUID, {"role": …}.'
        value={acl}
        error={complaint('acl')}
        onChange={(value) => onChange({ acl: value as GroupFields['acl'] })}
      />
      {Array.isArray(acl) && acl.every((entry) => Array.isArray(entry?.resources)) && <AccessListView acl={acl} />}
      <JsonField
        label="Payload, as JSON (optional)"
        hint="Delivered beside the cloud configuration, as it stands here."
        value={group.payload}
        error={complaint('payload')}
        onChange={(value) => onChange({ payload: value as GroupFields['payload'] })}
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
