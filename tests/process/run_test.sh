#!/usr/bin/env bash
# ./run itself, as a stranger uses it: up, a call, its events, Ctrl-C, nothing left. Own ports, own checkout.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
top=$PWD
work=$(mktemp -d /tmp/sig-run.XXXXXX)
PYTHON=/usr/bin/python3
passed=0 failed=0
service=

finish() {
    [ -z "$service" ] || kill -KILL "$service" 2>/dev/null
    (cd "$work/tree" 2>/dev/null && ./run stop >/dev/null 2>&1)
    rm -rf "$work"
}
trap finish EXIT

check() { # NAME COMMAND...
    local name=$1
    shift
    if "$@" >"$work/out" 2>&1; then
        echo "  ok    run: $name" && passed=$((passed + 1))
    else
        echo "  FAIL  run: $name" && failed=$((failed + 1))
        tail -n 15 "$work/out"
        [ ! -s "$work/log" ] || tail -n 15 "$work/log" | cut -c 1-160
    fi
}
wait_for() { # SECONDS COMMAND...
    local until=$((SECONDS + $1))
    shift
    until "$@"; do
        [ $SECONDS -lt $until ] || return 1
        sleep 0.1
    done
}
free_port() {
    $PYTHON -c 'import socket; s = socket.socket(type=2); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# A copy with its own build/dev; what is built already is taken over, so that only ./run is tried and not the compiler.
mkdir "$work/tree"
tar -C "$top" --exclude=./build --exclude='./build-*' --exclude=./.git -cf - . | tar -C "$work/tree" -xf - || exit 1
mkdir -p "$work/tree/build"
cp -a "$top/${BUILD:-build}/." "$work/tree/build/" 2>/dev/null
rm -rf "$work/tree/build/dev" "$work/tree/build/san" "$work/tree/build/clang"
cd "$work/tree" || exit 1

port=$(free_port)
export SIP_SIGNALING_SERVICE_SIP_PORT=$port SIP_SIGNALING_SERVICE_SIPS_PORT=0 SIP_SIGNALING_SERVICE_GRPC_PORT=0 \
    SIP_SIGNALING_SERVICE_HTTP_PORT=0 SIP_SIGNALING_SERVICE_METRICS_PORT=0
unset BUILD

check "help" ./run help
check "an unknown command is refused" bash -c '! ./run nonsense'
# As from a terminal: a shell without job control would have its background jobs ignore SIGINT, and ./run with them.
$PYTHON -c "import os, signal; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execv('./run', ['./run'])" \
    >"$work/log" 2>&1 &
service=$!
check "ready" wait_for 300 grep -q '^run: ready' "$work/log"
check "a second ./run in the same checkout says who runs" bash -c './run 2>&1 | grep -q "runs already in this checkout"'
check "sipp -sn uac is answered" sipp -sn uac "127.0.0.1:$port" -r 10 -m 10 -d 100 -nostdin -timeout 30s
check "ctl status" bash -c './run ctl status | grep -q sip-edge'
ten_of_each() {
    local kind
    for kind in started answered ended; do
        [ "$(./run events | grep -c "call.$kind")" -eq 10 ] || return 1
    done
}
check "events: ten of each" ten_of_each
check "events of a broker that is not there" bash -c 'RABBITMQ_URL=amqp://127.0.0.1:1/ ./run events 2>&1 | grep -q refused'
check "demo" ./run demo
check "demo, read by head" bash -c './run demo 2>"$0/demo.err" | head -n 1; ! grep . "$0/demo.err"' "$work"
check "Ctrl-C" kill -INT $service
stopped() { ! kill -0 "$service" 2>/dev/null; }
check "ends within 20 s" wait_for 20 stopped
left() { find /proc -maxdepth 2 -name cwd -lname "$work/*" 2>/dev/null | grep -v "/$$/" | grep -qv /self/; }
nothing_left() { ! left; }
check "leaves nothing running" wait_for 3 nothing_left
check "the socket is closed" $PYTHON -c "import socket; socket.socket(type=2).bind(('127.0.0.1', $port))"
$PYTHON -c "import socket, time; s = socket.socket(type=2); s.bind(('127.0.0.1', $port)); time.sleep(60)" &
holder=$!
check "a port in use is named in one line" bash -c './run 2>&1 | grep -i "in use" | grep -q '"$port"
kill $holder
service=
echo "run: $passed passed, $failed failed"
[ $failed -eq 0 ]
