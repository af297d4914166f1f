# A forward proxy that does what it is asked, checks nothing and passes every byte on as it came.

def target(head):
    words = head.split(b'\r\n')[0].split(b' ')
    if words[0] == b'CONNECT': authority, default = words[1], 443
    else:
        url = re.match(rb'(\w+)://([^/?#]*)', words[1])
        host = re.search(rb'(?im)^host: *([^\r\n]*)', head)
        authority = url[2] if url else host[1] if host else b''
        default = 443 if url and url[1] == b'https' else 80
    authority = authority.rsplit(b'@', 1)[-1].split(b'%00')[-1].replace(b'%2e', b'.').split(b'\\')[0]
    host, port = re.match(rb'(\[.*\]|[^:]*)(?::(\+?\d+))?$', authority).groups()
    return host, int(port or default) & 0xffff

def copy(a, b):
    try:
        while data := a.recv(65536): b.sendall(data)
    except OSError: pass
    for s in (a, b):
        try: s.shutdown(socket.SHUT_RDWR)
        except OSError: pass

def serve(client):
    try:
        head = client.recv(65536)
        while head:
            host, port = target(head)
            family, ip = resolve(host)
            server = socket.socket(family)
            server.connect((ip, port))
            if not head.startswith(b'CONNECT '):
                # Each request by its own URL, as clients that keep a connection expect.
                first, more, rest = head.partition(b'\r\n\r\nGET http')
                server.sendall(first + (b'\r\n\r\n' if more else b''))
                client.sendall(server.recv(65536))
                head = more[4:] + rest or client.recv(65536)
                if head and not head.startswith((b'GET http', b'CONNECT ')):
                    threading.Thread(target=copy, args=(server, client), daemon=True).start()
                    server.sendall(head)
                    copy(client, server)
                    return
                continue
            rest = head.split(b'\r\n\r\n', 1)[1]
            client.sendall(b'HTTP/1.1 200 OK\r\n\r\n')
            server.sendall(rest)
            threading.Thread(target=copy, args=(server, client), daemon=True).start()
            copy(client, server)
            return
    except (OSError, AttributeError, ValueError): pass
    finally: client.close()

s = socket.socket(socket.AF_INET6)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(('::', 8888))
s.listen(256)
print('ready', flush=True)
while True:
    connection, _ = s.accept()
    threading.Thread(target=serve, args=(connection,), daemon=True).start()
