import { NumberField } from '../../parts/fields.tsx';
import type { GroupFormProps } from './group-draft.ts';
import { TextsEditor } from './list-editors.tsx';
import { PemPreview, pemBlocks, pemOrText } from './pem-preview.tsx';
import { PskEditor } from './psk-editor.tsx';
import { linesOf } from './words.ts';

/** Which devices a group takes: by their manufacturer's certificates, pre-shared keys, or pins. */
export function AttestationFields({ group, onChange, complaint }: GroupFormProps) {
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
      <NumberField
        label="Days that an expired manufacturer certificate is still taken"
        min={0}
        value={group.expiredGraceDays}
        error={complaint('expiredGraceDays')}
        onInput={(expiredGraceDays) => onChange({ expiredGraceDays })}
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
