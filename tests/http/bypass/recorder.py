# Everyone whom nobody may reach: keeps what arrives, per connection, and answers as if all were well.
# Arguments: TCP ports, comma-separated; name of the place, for the log. With DNS when the place is `outside`.
import json, re, socket, struct, sys, threading

ports, place = [int(port) for port in sys.argv[1].split(',')], sys.argv[2]
seen, lock = [], threading.Lock()

def keep(where):
    with lock:
        seen.append([where, bytearray()])
        return seen[-1][1]

def name_of(address):
    ip = address[0].removeprefix('::ffff:')
    return f'{place} {ip} {address[1]}'

def tcp(connection):
    got = keep('tcp ' + name_of(connection.getsockname()))
    answered = 0
    try:
        while data := connection.recv(65536):
            got += data
            for head in bytes(got).split(b'\r\n\r\n')[answered:-1]:
                where = b'Location: http://inside.example/' + (re.findall(rb'm\d+x', got) or [b''])[-1] + b'\r\n'
                found = b'302 Found\r\n' + where if b'/redirect' in head else b'200 OK\r\n'
                # Careless servers: one repeats what it got, one makes the client known.
                sent = re.search(rb'(?i)\r\nauthorization: *([^\r\n]*)', head)
                if b'/echo' in head and sent: found += b'X-Echo: ' + sent[1] + b'\r\n'
                if b'/cookie' in head: found += b'Set-Cookie: session=1\r\n'
                connection.sendall(b'HTTP/1.1 ' + found + b'Content-Length: 2\r\n\r\nok')
                answered += 1
            if answered == 0:
                connection.sendall(b'hello')
                answered = 1 << 20
    except OSError:
        pass

def dump(connection):
    with lock:
        text = json.dumps([[where, bytes(got).decode('latin-1')] for where, got in seen])
    connection.sendall(text.encode())
    connection.close()

V4 = {b'good.example': ['203.0.113.10'], b'rebind': ['203.0.113.10', '10.96.0.1'],
      b'inside.example': ['10.96.0.1'], b'meta.example': ['169.254.169.254'], b'home.example': ['192.168.0.1'],
      b'company.example': ['172.16.0.1'], b'carrier.example': ['100.64.0.1'], b'loop.example': ['127.0.0.1'],
      b'zero.example': ['0.0.0.0'], b'port.example': ['203.0.113.10'], b'pod.example': ['10.77.0.1'],
      b'bench.example': ['198.18.0.1'], b'reserved.example': ['240.0.0.1'], b'relay.example': ['192.88.99.1'],
      b'mixed.example': ['10.96.0.1']}
V6 = {b'mapped.example': '::ffff:10.96.0.1', b'nat64.example': '64:ff9b::a60:1', b'sixtofour.example': '2002:a60:1::1',
      b'ula.example': 'fd00::1', b'loop6.example': '::1', b'zero6.example': '::',
      b'mapped-loop.example': '::ffff:127.0.0.1', b'site.example': 'fec0::1', b'teredo.example': '2001:0:a60:1::1'}
asked = {}

def dns(s):
    while True:
        packet, peer = s.recvfrom(2048)
        at, labels = 12, []
        while packet[at]:
            labels.append(packet[at + 1:at + 1 + packet[at]])
            at += 1 + packet[at]
        name, kind, end = b'.'.join(labels), packet[at + 2], at + 5
        keep('dns outside')[:] = name
        records, owner = [], b'\xc0\x0c'
        if name == b'alias.example':
            target = b'\x06inside\x07example\x00'
            records.append(owner + struct.pack('!HHIH', 5, 1, 0, len(target)) + target)
            owner, name = struct.pack('!H', 0xc000 | (end + 12)), b'inside.example'
        base = b'rebind' if name.startswith(b'rebind') else name
        if kind == 1 and base not in V6:
            ips = V4.get(base, ['203.0.113.66'])
            turn = asked[name] = asked.get(name, -1) + 1
            ip = ips[min(turn, len(ips) - 1)]
            records.append(owner + struct.pack('!HHIH', 1, 1, 0, 4) + socket.inet_aton(ip))
        if kind == 28 and base in V6:
            records.append(owner + struct.pack('!HHIH', 28, 1, 0, 16) + socket.inet_pton(socket.AF_INET6, V6[base]))
        head = packet[:2] + b'\x85\x80\x00\x01' + struct.pack('!HHH', len(records), 0, 0)
        s.sendto(head + packet[12:end] + b''.join(records), peer)

def datagrams(s):
    while True:
        data, peer = s.recvfrom(2048)
        keep('udp ' + name_of(s.getsockname()))[:] = data
        s.sendto(b'answer', peer)

def accept(s, serve):
    while True:
        connection, _ = s.accept()
        threading.Thread(target=serve, args=(connection,), daemon=True).start()

def listen(port, serve):
    s = socket.socket(socket.AF_INET6)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(('::', port))
    s.listen(256)
    threading.Thread(target=accept, args=(s, serve), daemon=True).start()

def bind(port, serve):
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    s.bind(('::', port))
    threading.Thread(target=serve, args=(s,), daemon=True).start()

for port in ports: listen(port, tcp)
listen(7, dump)
if place == 'outside':
    bind(53, dns)
    bind(443, datagrams)
print('ready', flush=True)
threading.Event().wait()
