import { contentFormat } from '../../coap/formats.ts';
import type { OctetResource } from './resource.ts';

/**
 * `GET /x.firstboot/crl`: the revocation list (RFC 5280 §5, DER) that the device's peers may be on, in blocks when it is long.
 * A list over limits.coap.bodyBytes is refused with service.answer-too-large: it is to be had over HTTP.
 * Not in plgd's protocol.
 */
export const revocations: OctetResource = {
  path: '/x.firstboot/crl',
  method: 'GET',
  contentFormat: contentFormat.octets,
  octets: (session, now) => session.revocations(now),
};
