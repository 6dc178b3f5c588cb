#!/usr/bin/python3
"""Records into which state a real kernel IPVS brings a flow: for each state that packets lead to, every packet.

Run as root by ipvs-oracle's run.sh (-o OUT transitions.py): writes OUT/transitions.jsonl. Makes its own namespaces, in the guest.
A line: protocol, method, conn_reuse_mode, the packets so far (c: the client's, s: the server's; TCP's flags or SCTP's chunk types in
decimal, + for chunks of one packet), the state and the seconds left; or how many flows of a method were active and inactive at the end.
"""
import ctypes, json, os, socket, struct, subprocess, time

VIP, CLIENT, SERVER, PORT, SERVER_PORT = '192.168.1.100', '192.168.1.10', '10.0.0.11', 7000, 7001
TCP, SCTP = socket.IPPROTO_TCP, socket.IPPROTO_SCTP
# FIN 1, SYN 2, RST 4, ACK 16; 0 and PSH 8 are none of them.
PACKETS = {TCP: ['0', '8', '1', '17', '2', '18', '4', '20', '6', '16', '24'],
           SCTP: ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '10', '11', '12', '13', '14', '15', '130', '192', '255',
                  '10+0', '10+6', '11+6', '10+3+6', '3+6', '9+6']}


def run(*command):
    subprocess.run(command, check=True)


def setup():
    for name in 'cds':
        run('ip', 'netns', 'add', name)
        run('ip', '-n', name, 'link', 'set', 'lo', 'up')
    for name, inside, mine, theirs in (('c', 'wan', CLIENT, '192.168.1.1'), ('s', 'lan', SERVER, '10.0.0.1')):
        run('ip', '-n', 'd', 'link', 'add', inside, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', name)
        run('ip', '-n', 'd', 'addr', 'add', theirs + '/24', 'dev', inside)
        run('ip', '-n', 'd', 'link', 'set', inside, 'up')
        run('ip', '-n', name, 'addr', 'add', mine + '/24', 'dev', 'eth0')
        run('ip', '-n', name, 'link', 'set', 'eth0', 'up')
        run('ip', '-n', name, 'route', 'add', 'default', 'via', theirs)
        # Nobody there answers.
        run('ip', 'netns', 'exec', name, 'iptables-legacy', '-A', 'INPUT', '!', '-p', 'icmp', '-j', 'DROP')
    run('ip', '-n', 'd', 'addr', 'add', VIP + '/32', 'dev', 'wan')
    director('sysctl', '-qw', 'net.ipv4.ip_forward=1', 'net.ipv4.vs.sloppy_tcp=1', 'net.ipv4.vs.sloppy_sctp=1')


def director(*command):
    run('ip', 'netns', 'exec', 'd', *command)


def raw(namespace):
    with open('/run/netns/' + namespace) as ns:
        if ctypes.CDLL(None).setns(ns.fileno(), 0):
            raise OSError('setns')
    return socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)


def transport(protocol, source, destination, what):
    if protocol == TCP:
        return struct.pack('!HHIIBBHHH', source, destination, 1, 1, 5 << 4, int(what), 1000, 0, 0)
    # The chunks' lengths are not all multiples of four.
    chunks = b''.join(struct.pack('!BBH', int(kind), 0, 7) + b'abc\0' for kind in what.split('+'))
    return struct.pack('!HHII', source, destination, 1, 0) + chunks


def send(sockets, protocol, packet, port):
    side, what = packet[0], packet[1:]
    if side == 'c':
        ends, ports = (CLIENT, VIP), (port, PORT)
    else:
        ends, ports = (SERVER, CLIENT), (SERVER_PORT, port)
    payload = transport(protocol, *ports, what)
    header = struct.pack('!BBHHHBBH4s4s', 0x45, 0, 0, 0, 0, 64, protocol, 0, *map(socket.inet_aton, ends))
    sockets[side].sendto(header + payload, (ends[1], 0))


def seen(protocol):
    """The states and seconds left, by the client's port."""
    flows = {}
    text = subprocess.check_output(['ip', 'netns', 'exec', 'd', 'cat', '/proc/net/ip_vs_conn'], text=True)
    for fields in map(str.split, text.splitlines()[1:]):
        if fields[0] == {TCP: 'TCP', SCTP: 'SCTP'}[protocol]:
            flows[int(fields[2], 16)] = fields[7], int(fields[8])
    return flows


def play(sockets, protocol, method, lives, out, reuse=0, counts=False):
    """Plays these lives, each from a port of its own, and gives the state that each has led to."""
    director('ipvsadm', '-C')
    director('sysctl', '-qw', f'net.ipv4.vs.conn_reuse_mode={reuse}')
    # Connections outlive the service, so another port for each round.
    global PORT, SERVER_PORT
    PORT += 2
    SERVER_PORT = PORT + 1 if method == 'NAT' else PORT
    service = f'{VIP}:{PORT}'
    kind = {TCP: '-t', SCTP: '--sctp-service'}[protocol]
    director('ipvsadm', '-A', kind, service, '-s', 'rr')
    director('ipvsadm', '-a', kind, service, '-r', f'{SERVER}:{SERVER_PORT}', {'NAT': '-m', 'DR': '-g'}[method])
    for step in range(max(map(len, lives))):
        for number, life in enumerate(lives):
            if step < len(life):
                send(sockets, protocol, life[step], play.port + number)
        time.sleep(0.15)
    flows = seen(protocol)
    name = {TCP: 'TCP', SCTP: 'SCTP'}[protocol]
    states = []
    for number, life in enumerate(lives):
        state, left = flows.get(play.port + number, ('-', 0))
        states.append(state)
        out.write(json.dumps({'protocol': name, 'method': method, 'reuse': reuse, 'packets': ' '.join(life), 'state': state, 'left': left}) + '\n')
    if counts:
        listing = subprocess.check_output(['ip', 'netns', 'exec', 'd', 'ipvsadm', '-Ln', kind, service], text=True)
        active, inactive = map(int, listing.splitlines()[-1].split()[-2:])
        out.write(json.dumps({'protocol': name, 'method': method, 'reuse': reuse, 'flows': len(lives), 'active': active, 'inactive': inactive}) + '\n')
    play.port += len(lives)
    return states


play.port = 2000


def main():
    setup()
    sockets = {'c': raw('c'), 's': raw('s')}
    with open(os.environ['OUT'] + '/transitions.jsonl', 'w') as out:
        for protocol, words in PACKETS.items():
            for method in ('NAT', 'DR'):
                packets = ['c' + word for word in words]
                if method == 'NAT':
                    packets += ['s' + word for word in words]
                # A way to each state, found as it goes.
                ways, found = {}, [()]
                while found:
                    lives = [way + (packet,) for way in found for packet in packets if way or packet[0] == 'c']
                    found = []
                    for life, state in zip(lives, play(sockets, protocol, method, lives, out)):
                        if state not in ways and state != '-':
                            ways[state] = life
                            found.append(life)
                first = {TCP: '2', SCTP: '1'}[protocol]
                play(sockets, protocol, method, [way + ('c' + first,) for way in ways.values()], out, reuse=1)
                play(sockets, protocol, method, list(ways.values()), out, counts=True)


main()
