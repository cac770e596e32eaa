import { BlockList, isIP } from 'node:net';
import { networkInterfaces } from 'node:os';

/**
 * Whether an IP address is one of the public Internet: none of this machine, of a network that is somebody's own, of a group of
 * receivers, and none that stands for such a one in IPv6 (IANA special-purpose registries, RFC 6890).
 * @param interfaces of this machine: what it sends to an address of its own passes no firewall
 */
export function isPublicAddress(address: string, interfaces: typeof networkInterfaces = networkInterfaces): boolean {
  const family = isIP(address);
  if (family === 0 || Object.values(interfaces()).some((own) => own?.some((one) => one.address === address)))
    return false;
  return family === 4
    ? !special.check(address, 'ipv4')
    : unicast.check(address, 'ipv6') && !special.check(address, 'ipv6');
}

/** What is given out of IPv6; everything else is of a machine, a link, a site or a group, or stands for an IPv4 address. */
const unicast = new BlockList();
unicast.addSubnet('2000::', 3, 'ipv6');

const special = new BlockList();
for (const [network, prefix] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  // What Azure tells its machines alone.
  ['168.63.129.16', 32],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3],
] as const)
  special.addSubnet(network, prefix, 'ipv4');
for (const [network, prefix] of [
  // Teredo and its kin, documentation, 6to4.
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
] as const)
  special.addSubnet(network, prefix, 'ipv6');
