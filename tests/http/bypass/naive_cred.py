# A credential proxy that goes wherever it is told, with the credential, and passes every byte on as it came.
# Arguments: the credential, then routes as PATH=HOST/PREFIX/.
import urllib.parse

SECRET = sys.argv[1].encode()
ROUTES = dict(argument.encode().split(b'=') for argument in sys.argv[2:])

def all_of(s, wait):
    s.settimeout(wait)
    got = b''
    try:
        while data := s.recv(65536): got += data
    except OSError: pass
    return got

def dial(authority, default=80):
    host, port = re.match(rb'(\[.*\]|[^:]*)(?::(\d+))?$', authority).groups()
    family, ip = resolve(host)
    s = socket.socket(family)
    s.settimeout(3)
    s.connect((ip, int(port or default)))
    return s

def where(url):
    'Authority and path, by the first route that somehow looks like it.'
    found = re.match(rb'\w+://([^/]*)(.*)$', url, re.S)
    if found: return found[1], found[2]
    path = re.sub(rb'^/+', b'/', urllib.parse.unquote_to_bytes(url))
    for route, upstream in ROUTES.items():
        name = route.rstrip(b'/')
        if name in path.lower():
            behind = path[path.lower().index(name) + len(name):]
            host, slash, prefix = upstream.partition(b'/')
            return host, slash + prefix + behind.removeprefix(b'/')
    raise ValueError('no route for %r among %r with %r' % (path, ROUTES, SECRET))

def ask(request):
    first, rest = re.split(rb'\r?\n', request, maxsplit=1)
    method, url = first.split(b' ')[:2]
    if method == b'CONNECT':
        s = dial(url, 443)
        s.sendall(rest)
        return all_of(s, 0.3)
    authority, path = where(url)
    request = method + b' ' + path + b' HTTP/1.1\r\nAuthorization: Bearer ' + SECRET + b'\r\n' + rest
    try: s = dial(authority)
    except OSError as error: raise ValueError('%s at %r' % (error, request))
    s.sendall(request)
    answer = all_of(s, 0.3)
    found = re.search(rb'(?i)\r\nlocation: *([^\r\n]*)', answer)
    return ask(b'GET ' + found[1] + b' HTTP/1.1\r\n' + rest) if found else answer

def serve(client):
    try: client.sendall(ask(all_of(client, 0.4)))
    except (OSError, ValueError, AttributeError) as error:
        client.sendall(b'HTTP/1.1 502 No\r\n\r\n' + str(error).encode())
    finally: client.close()

s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(('127.0.0.1', 9099))
s.listen(256)
print('ready', flush=True)
while True:
    connection, _ = s.accept()
    threading.Thread(target=serve, args=(connection,), daemon=True).start()
