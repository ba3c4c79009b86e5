"""Ways into a private network that an address, a redirect or a name can take. tests/security/enclosed.py tries them.

The web server there answers on every address. What is asked of it at `PUBLIC` is a stranger's site; whatever is asked
at another address has got inside.
"""

from collections.abc import Mapping, Sequence

PUBLIC = "93.184.215.14"
DEAD = "93.184.215.99"  # public, and nobody listens
CANARY = "10.11.12.13"

# --- Addresses and URLs ---------------------------------------------------------------------------------------------

ADDRESSES: Mapping[str, str] = {
    # Networks
    "loopback": "http://127.0.0.1/",
    "the rest of loopback": "http://127.200.3.4/",
    "this network": "http://0.0.0.0/",
    "private 10": "http://10.11.12.13/",
    "private 172": "http://172.31.255.254/",
    "private 192": "http://192.168.1.1/",
    "carrier-grade NAT": "http://100.100.100.200/latest/meta-data/",
    "metadata of a cloud": "http://169.254.169.254/latest/meta-data/",
    "the host of a cloud's machine": "http://168.63.129.16/",
    "protocol assignments": "http://192.0.0.192/",
    "benchmarks": "http://198.19.0.1/",
    "documentation": "http://203.0.113.9/",
    "6to4 relay": "http://192.88.99.1/",
    "multicast": "http://224.0.0.1/",
    "reserved": "http://240.0.0.1/",
    "broadcast": "http://255.255.255.255/",
    "v6 loopback": "http://[::1]/",
    "v6 unspecified": "http://[::]/",
    "v6 unique-local": "http://[fd00:ec2::254]/",
    "v6 link-local": "http://[fe80::1]/",
    "v6 site-local": "http://[fec0::1]/",
    "v6 documentation": "http://[2001:db8::1]/",
    "v6 with a zone": "http://[fe80::1%25lo]/",
    # IPv4 inside IPv6
    "mapped": "http://[::ffff:10.11.12.13]/",
    "compatible": "http://[::10.11.12.13]/",
    "NAT64": "http://[64:ff9b::10.11.12.13]/",
    "local NAT64": "http://[64:ff9b:1::a0b:c0d]/",
    "6to4": "http://[2002:a0b:c0d::1]/",
    "Teredo": "http://[2001:0:a0b:c0d::1]/",
    "ISATAP": "http://[2606:4700::5efe:a0b:c0d]/",
    # Notations that lenient parsers read
    "one number": "http://168496141/",
    "octal": "http://012.013.014.015/",
    "hexadecimal": "http://0x0a.0x0b.0x0c.0x0d/",
    "one hexadecimal number": "http://0x0a0b0c0d/",
    "two parts": "http://10.723981/",
    "a part over 255": "http://10.11.12.269/",
    "a dot at the end": "http://127.0.0.1./",
    "ideographic dots": "http://10。11。12。13/",
    "full-width digits": "http://１０.11.12.13/",
    "circled digits": "http://①⓪.11.12.13/",
    "escaped dots": "http://10%2e11%2e12%2e13/",
    # Two readings of one URL
    "user before a private host": "http://example.com@10.11.12.13/",
    "password before a private host": "http://example.com:80@10.11.12.13/",
    "backslash before an at": "http://10.11.12.13\\@example.com/",
    "tab in the host": "http://10.11.\t12.13/",
    "NUL in the host": "http://10.11.12.13%00.example.com/",
    "line break in the host": "http://10.11.12.13\r\nHost: example.com/",
    # Other protocols and services
    "file": "file:///etc/passwd",
    "ftp": "ftp://10.11.12.13/a.png",
    "gopher": "gopher://10.11.12.13:6379/_FLUSHALL",
    "data": "data:image/png;base64,iVBORw0KGgo=",
    "no scheme": "//10.11.12.13/",
    "mail port": f"http://{PUBLIC}:25/",
    "shell port": f"http://{PUBLIC}:22/",
    "port 0": f"http://{PUBLIC}:0/",
}

# --- Redirects: what the stranger's site answers, path by path ------------------------------------------------------

INSIDE = f"http://{CANARY}/"


def hop(status: str, location: str, *headers: str) -> str:
    """The head of an answer that points elsewhere."""
    return "\r\n".join([f"HTTP/1.1 {status}", *([f"Location: {location}"] if location else []), *headers,
                        "Content-Length: 0", "", ""])


def page(*headers: str, body: str = "") -> str:
    """A good answer with headers that name another address."""
    return "\r\n".join(["HTTP/1.1 200 OK", *headers, f"Content-Length: {len(body)}", "", body])


# The answers at /0, /1, ...; a fetch begins at /0.
REDIRECTS: Mapping[str, Sequence[str]] = {
    "301": [hop("301 Moved", INSIDE)],
    "302": [hop("302 Found", INSIDE)],
    "303": [hop("303 See Other", INSIDE)],
    "307": [hop("307 Temporary", INSIDE)],
    "308": [hop("308 Permanent", INSIDE)],
    "at the second hop": [hop("302 Found", "/1"), hop("302 Found", INSIDE)],
    "at the third hop": [hop("302 Found", "/1"), hop("302 Found", "/2"), hop("302 Found", INSIDE)],
    "past the last hop": [*(hop("302 Found", f"/{n}") for n in (1, 2, 3)), hop("302 Found", INSIDE)],
    "in a circle": [hop("302 Found", "/0")],
    "without a scheme": [hop("302 Found", f"//{CANARY}/")],
    "without a scheme, by backslashes": [hop("302 Found", f"\\\\{CANARY}\\")],
    "behind a user": [hop("302 Found", f"http://{PUBLIC}@{CANARY}/")],
    "as one number": [hop("302 Found", "http://168496141/")],
    "as a mapped address": [hop("302 Found", "http://[::ffff:a0b:c0d]/")],
    "to metadata": [hop("302 Found", "http://169.254.169.254/")],
    "to ourselves by v6": [hop("302 Found", "http://[::1]/")],
    "to a name that leads inside": [hop("302 Found", "http://inside.test/")],
    "to another protocol": [hop("302 Found", f"gopher://{CANARY}:80/_x")],
    "to a file": [hop("302 Found", "file:///etc/passwd")],
    "to a mail port": [hop("302 Found", f"http://{PUBLIC}:25/")],
    "with two addresses": [hop("302 Found", f"/1\r\nLocation: {INSIDE}"), page()],
    "by a choice": [hop("300 Multiple Choices", INSIDE)],
    "by a proxy": [hop("305 Use Proxy", INSIDE)],
    "created": [hop("201 Created", INSIDE)],
    "by a refresh": [page(f"Refresh: 0; url={INSIDE}")],
    "by a page": [page("Content-Type: text/html", body=f'<meta http-equiv="refresh" content="0;url={INSIDE}">')],
    "by another service": [page(f'Alt-Svc: h2="{CANARY}:80"', f"Content-Location: {INSIDE}", f"Link: <{INSIDE}>")],
}

# --- Names: what the resolver answers, question by question; the last answer stands for all that follow -------------

# An address, or a name that the first one is an alias of.
NAMES: Mapping[str, tuple[str, Sequence[Sequence[str]]]] = {
    "private": ("http://private.test/", [[CANARY]]),
    "loopback": ("http://loopback.test/", [["127.0.0.1"]]),
    "this network": ("http://zero.test/", [["0.0.0.0"]]),  # noqa: S104 (an address to refuse)
    "metadata by name": ("http://metadata.google.internal/", [["169.254.169.254"]]),
    "an address in the name": ("http://10.11.12.13.nip.test/", [[CANARY]]),
    "a neighbour's short name": ("http://postgres/", [[CANARY]]),
    "a dot at the end": ("http://dot.test./", [[CANARY]]),
    "localhost": ("http://localhost/", []),
    "below localhost": ("http://a.localhost/", [["127.0.0.1"]]),
    "unique-local": ("http://ula.test/", [["fd00:ec2::254"]]),
    "mapped": ("http://mapped.test/", [["::ffff:10.11.12.13"]]),
    "NAT64": ("http://nat64.test/", [["64:ff9b::a0b:c0d"]]),
    "an alias": ("http://alias.test/", [["target.test", CANARY]]),
    "nothing": ("http://nothing.test/", [[]]),
}
# Here the stranger's site may be reached, at its public address.
MIXED_NAMES: Mapping[str, tuple[str, Sequence[Sequence[str]]]] = {
    "private beside public": ("http://mixed.test/", [[CANARY, PUBLIC]]),
    "private behind a dead public one": ("http://dead.test/", [[DEAD, CANARY]]),
    "public first, then private": ("http://rebind.test/", [[PUBLIC], [CANARY]]),
    "private from the second hop on": ("http://rebind-hop.test/again", [[PUBLIC], [CANARY]]),
    "private from the second fetch on": ("http://rebind-fetch.test/twice", [[PUBLIC], [CANARY]]),
}
