import type { CborMap } from '../../codec/cbor.ts';
import { decided } from '../../core/errors.ts';
import type { AccessControlEntry } from '../../provision/contract.ts';
import type { OcfResource } from './resource.ts';
import { provisioningTag } from './tag.ts';

/** `GET .../acls`: `{"aclist2": [...]}`. A key that the device does not know makes it refuse the list (plgd-device b5). */
export const acls: OcfResource = {
  path: '/api/v1/provisioning/acls',
  method: 'GET',
  step: 'acls',
  async answer(session, _request, now) {
    const answer = await session.acls(now);
    if (!answer.ok) return answer;
    return decided(() => ({ aclist2: answer.value.entries.map(render) }));
  },
};

function renderSubject(subject: AccessControlEntry['subject']): CborMap {
  switch (subject.type) {
    case 'uuid':
      return { uuid: subject.uuid };
    case 'connection':
      return { conntype: subject.kind };
    case 'role':
      return subject.authority === undefined
        ? { role: subject.role }
        : { authority: subject.authority, role: subject.role };
  }
}

function render({ permission, resources, subject }: AccessControlEntry): CborMap {
  return {
    permission,
    resources: resources.map((resource) =>
      'href' in resource ? { href: resource.href, if: ['*'] } : { if: ['*'], wc: resource.wildcard },
    ),
    subject: renderSubject(subject),
    tag: provisioningTag,
  };
}
