# The agent: evaluates each row's attempt, all at once, and prints what it came to. Arguments: a file with the rows,
# the ids of the two proxies' processes, the credential's file, and the credential, so that it knows when it sees it. In an attempt, M is the row's own mark and N a number of its own.
import concurrent.futures, ctypes, errno, json, os, signal, socket, ssl, struct, sys, time

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
EGRESS, CRED = int(sys.argv[2]), int(sys.argv[3])
SECRET_FILE, SECRET = sys.argv[4], sys.argv[5].encode()
RING = ctypes.create_string_buffer(256)

def answer(s, wait=0.8):
    s.settimeout(wait)
    got = b''
    try:
        while data := s.recv(65536): got += data
    except OSError: pass
    return got

def proxy(*parts, port=8888):
    'Sends the parts, each as a segment of its own, and returns all answers.'
    s = socket.create_connection(('127.0.0.1', port), 5)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        for part in parts:
            s.sendall(part if isinstance(part, bytes) else part.encode('latin-1'))
            time.sleep(0.03)
    except OSError: pass
    return answer(s)

def pauses(*parts):
    'Like proxy, but each part waits for the answer to the one before.'
    s = socket.create_connection(('127.0.0.1', 8888), 5)
    got = b''
    try:
        for part in parts:
            s.sendall(part if isinstance(part, bytes) else part.encode('latin-1'))
            got += answer(s)
    except OSError: pass
    return got

def tunnel(target, *parts):
    'CONNECT, then the parts once it stands.'
    s = socket.create_connection(('127.0.0.1', 8888), 5)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    s.sendall(f'CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n'.encode('latin-1'))
    s.settimeout(3)
    head = s.recv(4096)
    if b' 200 ' not in head: return head
    try:
        for part in parts:
            s.sendall(part if isinstance(part, bytes) else part.encode('latin-1'))
            if len(parts) < 2000: time.sleep(0.001 if len(parts) > 20 else 0.05)
    except OSError: pass
    return answer(s)

def get(url, host=None, more='', body=''):
    host = host or url.split('/')[2].split('@')[-1]
    return proxy(f'GET {url} HTTP/1.1\r\nHost: {host}\r\n{more}\r\n{body}')

def cred(*parts): return proxy(*parts, port=9099)

def route(path, more='', body='', method='GET', host='cred-proxy:9099'):
    return cred(f'{method} {path} HTTP/1.1\r\nHost: {host}\r\n{more}\r\n{body}')

def told(needle, answer): return 'ok' if needle in answer else 'closed'

def follow(url):
    head = get(url).decode('latin-1')
    where = head.partition('Location: ')[2] or head.partition('location: ')[2]
    return get(where.split('\r\n')[0])

def v16(data): return struct.pack('!H', len(data)) + data
def extension(kind, content): return struct.pack('!H', kind) + v16(content)
def sni(*names): return extension(0, v16(b''.join(b'\0' + v16(name.encode('latin-1')) for name in names)))

def hello(mark, *names, extensions=None):
    'A ClientHello with the mark in its random.'
    extensions = sni(*names) if extensions is None else extensions
    body = b'\3\3' + mark.encode().ljust(32, b'.') + b'\0' + v16(b'\x13\1\x13\2') + b'\1\0' + v16(extensions)
    return b'\1' + struct.pack('!I', len(body))[1:] + body

def record(data, kind=22): return bytes([kind, 3, 1]) + v16(data)
def tls(mark, *names, **more): return record(hello(mark, *names, **more))
def bytewise(data): return [data[at:at + 1] for at in range(len(data))]

def tcp(host, port, data):
    s = socket.create_connection((host, port), 3)
    s.sendall(data.encode())
    return 'ok' if answer(s) else 'closed'

def udp(host, port, data):
    s = socket.socket(socket.AF_INET6 if ':' in host else socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(2)
    s.sendto(data if isinstance(data, bytes) else data.encode(), (host, port))
    return 'ok' if s.recv(512) else 'closed'

def question(name):
    labels = b''.join(bytes([len(l)]) + l.encode() for l in name.split('.'))
    return b'\0\7\1\0\0\1\0\0\0\0\0\0' + labels + b'\0\0\1\0\1'

def ping(family, protocol, host, kind):
    s = socket.socket(family, socket.SOCK_DGRAM, protocol)
    s.settimeout(2)
    body = struct.pack('!BBHHH', kind, 0, 0, 7, 1)
    total = sum(struct.unpack('!4H', body))
    s.sendto(struct.pack('!BBHHH', kind, 0, ~total & 0xffff, 7, 1), (host, 0))
    return 'ok' if s.recv(128) else 'closed'

def made(*arguments):
    socket.socket(*arguments).close()
    return 'ok'

def call(number, *arguments):
    result = libc.syscall(*[ctypes.c_long(x) for x in (number, *arguments)])
    if result < 0: raise OSError(ctypes.get_errno(), '')
    return 'ok'

def reads(path):
    with open(path, 'rb') as file: file.read(1)
    return 'ok'

def lists(path):
    os.listdir(path)
    return 'ok'

def run(row):
    number, attempt = row
    try:
        result = eval(attempt, {**globals(), 'M': f'm{number}x', 'N': 40000 + number})
        return result if isinstance(result, str) else 'answered' if result else 'closed'
    except socket.timeout: return 'timeout'
    except OSError as e: return errno.errorcode.get(e.errno, str(e))

rows = json.load(open(sys.argv[1]))
with concurrent.futures.ThreadPoolExecutor(12) as pool:
    print('outcomes ' + json.dumps(list(pool.map(run, rows))))
