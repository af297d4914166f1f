# Of both controls: a resolver that takes every answer, and every spelling of an address.
import re, socket, struct, sys, threading

def resolve(name):
    try: return socket.AF_INET, socket.inet_ntoa(socket.inet_aton(name.decode('latin-1')))
    except OSError: pass
    if name.startswith(b'['): return socket.AF_INET6, name.strip(b'[]').decode()
    if name.lower() in (b'localhost', b'egress'): return socket.AF_INET, '127.0.0.1'
    labels = b''.join(bytes([len(label)]) + label for label in name.strip(b'.').split(b'.') if label)
    for kind, size, family in ((1, 4, socket.AF_INET), (28, 16, socket.AF_INET6)):
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.settimeout(3)
        s.sendto(b'\0\7\1\0\0\1\0\0\0\0\0\0' + labels + b'\0' + struct.pack('!HH', kind, 1), ('10.77.0.1', 53))
        answer = s.recv(2048)
        # The last record is the address.
        if struct.unpack('!H', answer[6:8])[0]: return family, socket.inet_ntop(family, answer[-size:])
    raise OSError('no such name')

