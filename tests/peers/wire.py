"""What the peers share: the contract's messages, compiled by protoc on first use, and mutual TLS."""

import importlib
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
_generated = None


def load(name):
    """The generated module of proto/<name>.proto."""
    global _generated
    if _generated is None:
        _generated = tempfile.TemporaryDirectory(prefix="peer-proto-")
        folder = os.path.join(HERE, "proto")
        files = [os.path.join(folder, f) for f in sorted(os.listdir(folder)) if f.endswith(".proto")]
        subprocess.run(["protoc", "-I", folder, "--python_out", _generated.name] + files, check=True)
        sys.path.insert(0, _generated.name)
    return importlib.import_module(name + "_pb2")


def read(path):
    with open(path, "rb") as f:
        return f.read()


def add_tls_options(parser):
    parser.add_argument("--cert", required=True, help="own certificate (PEM)")
    parser.add_argument("--key", required=True, help="its private key")
    parser.add_argument("--ca", required=True, help="the CA that the other side must come from")


def server_credentials(args):
    import grpc

    return grpc.ssl_server_credentials(
        [(read(args.key), read(args.cert))], root_certificates=read(args.ca), require_client_auth=True
    )


def channel(target, cert, key, ca, name=None, **options):
    """A channel over mutual TLS; name: the server name to expect instead of the target's host."""
    import grpc

    credentials = grpc.ssl_channel_credentials(
        root_certificates=read(ca), private_key=read(key) if key else None, certificate_chain=read(cert) if cert else None
    )
    arguments = [(k, v) for k, v in options.items()]
    if name:
        arguments.append(("grpc.ssl_target_name_override", name))
    return grpc.secure_channel(target, credentials, arguments)


def unary(chan, path, request, response_type, **kw):
    """One unary call; returns the response, raises grpc.RpcError."""
    call = chan.unary_unary(path, request_serializer=lambda m: m.SerializeToString(),
                            response_deserializer=response_type.FromString)
    return call(request, **kw)
