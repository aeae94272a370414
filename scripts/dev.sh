# What ./run knows about its own surroundings; sourced, from the top of the tree.
# shellcheck shell=bash

DEV=$PWD/build/dev     # state, logs and sockets of what ./run starts
PKI=$DEV/pki
PYTHON=/usr/bin/python3 # Debian's, which has Debian's modules, whatever else stands first in PATH

SOCKET_DIR_MAX=80 # bytes: what _RUNTIME_DIR may have, so that unix socket paths below it fit in 108

say() { echo "run: $*" >&2; }

# wait_for SECONDS COMMAND...: until the command succeeds
wait_for() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@"; do
        [ $SECONDS -lt $deadline ] || return 1
        sleep 0.1
    done
}

# The folder of the control socket: in the checkout, unless that lies too deep for a unix socket.
runtime_dir() {
    local dir=$DEV/run
    if [ ${#dir} -gt $SOCKET_DIR_MAX ]; then
        dir=${XDG_RUNTIME_DIR:-/tmp}/sip-signaling-$(id -u)-$(printf '%s' "$DEV" | cksum | cut -d ' ' -f 1)
    fi
    echo "$dir"
}

# Defaults for development; what stands in the environment already wins.
export_settings() {
    export SIP_SIGNALING_SERVICE_LISTEN_ADDRESS=${SIP_SIGNALING_SERVICE_LISTEN_ADDRESS:-127.0.0.1}
    export SIP_SIGNALING_SERVICE_PUBLIC_IP=${SIP_SIGNALING_SERVICE_PUBLIC_IP:-127.0.0.1}
    export SIP_SIGNALING_SERVICE_SIP_PORT=${SIP_SIGNALING_SERVICE_SIP_PORT:-5060}
    export SIP_SIGNALING_SERVICE_CERT_PATH=${SIP_SIGNALING_SERVICE_CERT_PATH:-$PKI/sip-signaling.crt}
    export SIP_SIGNALING_SERVICE_KEY_PATH=${SIP_SIGNALING_SERVICE_KEY_PATH:-$PKI/sip-signaling.key}
    export GRPC_TLS_CA_PATH=${GRPC_TLS_CA_PATH:-$PKI/ca.crt}
    export SIP_SIGNALING_SERVICE_STATE_DIR=${SIP_SIGNALING_SERVICE_STATE_DIR:-$DEV/state}
    export SIP_SIGNALING_SERVICE_RUNTIME_DIR=${SIP_SIGNALING_SERVICE_RUNTIME_DIR:-$(runtime_dir)}
    export SIP_SIGNALING_SERVICE_DRAIN_S=${SIP_SIGNALING_SERVICE_DRAIN_S:-5}
    mkdir -p "$SIP_SIGNALING_SERVICE_STATE_DIR"
    mkdir -p -m 0700 "$SIP_SIGNALING_SERVICE_RUNTIME_DIR"
}

# The local platform's configuration (LOCAL_PLATFORM_CONFIG, or the one in the tree) with what development wants: each RPC
# in the ledger for ./run demo, and media ports enough for SIPp at 200 calls/s (a port rests 5 to 10 s after its release).
platform_config() {
    $PYTHON - "${LOCAL_PLATFORM_CONFIG:-tests/platform/default.json}" <<'PY'
import json, sys
config = json.load(open(sys.argv[1], encoding="utf-8"))
config["ledger_rpcs"] = True
config["rtp"].update(port_min=20000, port_max=32000, if_taken="next")
json.dump(config, sys.stdout)
PY
}

# AMQP's own port if it is free, else any: the broker is private, only we need to know.
broker_port() {
    $PYTHON - <<'PY'
import socket
for port in (5672, 0):
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        s.bind(("127.0.0.1", port))
    except OSError:
        continue
    print(s.getsockname()[1])
    break
PY
}

broker_url() {
    if [ -n "${RABBITMQ_URL:-}" ]; then
        echo "$RABBITMQ_URL"
    elif [ -s "$DEV/broker.url" ]; then
        cat "$DEV/broker.url"
    else
        echo "run: no broker runs here (start ./run first, or set RABBITMQ_URL)" >&2
        return 1
    fi
}

# end_group NAME SECONDS: SIGTERM to the process whose pid is kept under NAME, SIGKILL to its whole group after SECONDS.
# The pid may have been given to somebody else since, so the program must be one of this checkout.
end_group() {
    local pid
    pid=$(cat "$DEV/$1.pid" 2>/dev/null || true)
    if [ -n "$pid" ] && ours "$pid"; then
        kill -TERM "$pid" 2>/dev/null || true
        wait_for "$2" not_ours "$pid" || echo "run: $1 (pid $pid) did not end in $2 s: killed" >&2
        kill -KILL -- "-$pid" 2>/dev/null || true
    fi
    rm -f "$DEV/$1.pid"
}
# A process that has ended and was not waited for yet has no program any more.
ours() {
    local exe
    exe=$(readlink "/proc/$1/exe" 2>/dev/null) && [[ $exe == "$PWD/build/bin/"* ]]
}
not_ours() { ! ours "$1"; }
