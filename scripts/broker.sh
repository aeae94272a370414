#!/usr/bin/env bash
# A private RabbitMQ for tests and for ./run: its own folder, its own ports, loopback only, as the user who starts it.
# Nothing of the machine's own broker is used or touched, and several of these run side by side.
set -euo pipefail

usage() {
    cat <<'USAGE'
usage: scripts/broker.sh COMMAND DIR [ARGUMENTS]

  start DIR PORT    start a broker that listens on 127.0.0.1:PORT and keeps everything in DIR; returns when it answers
                    AMQP. One that runs already is left alone. User guest, password guest, vhost /
  stop DIR          stop it, its epmd too; what is durable stays in DIR
  restart DIR       stop and start: durable queues and persistent messages survive
  crash DIR         kill it without notice (SIGKILL); start brings it back
  status DIR        one line; exit 0: answers, 1: does not
  pause DIR         stop its process (SIGSTOP): connections stay, nothing answers
  resume DIR        and let it go on
  block DIR         raise the memory alarm: publishing connections get connection.blocked and are not read any more
  unblock DIR       clear the alarm
  ctl DIR ARGS...   rabbitmqctl against this broker, such as: ctl DIR list_queues name messages

The folder holds data/ (queues), log/, etc/ (configuration), home/ (cookie) and run/ (pids and ports).
USAGE
}

die() {
    echo "broker.sh: $1" >&2
    exit "${2:-1}"
}

LIB=/usr/lib/rabbitmq/bin
START_S=60 # a cold start on a busy machine; usually 4 to 6 s
STOP_S=20

# --- what we know about the broker in DIR ------------------------------------------------------------------------

run_file() { cat "$DIR/run/$1" 2>/dev/null || true; }

# alive NAME: the process whose pid is kept under NAME runs and is one of ours. A pid may have been given to somebody else
# since, so its environment must name this folder.
alive() {
    local pid
    pid=$(run_file "$1")
    [ -n "$pid" ] && [ -r "/proc/$pid/environ" ] && grep -qszx -- "RABBITMQ_MNESIA_BASE=$DIR/data" "/proc/$pid/environ"
}
gone() { ! alive "$1"; }

# The broker greets whoever sends the protocol header with connection.start, a method frame (first byte 1).
answers() {
    local port first=
    port=$(run_file port)
    [ -n "$port" ] || return 1
    {
        exec 3<>"/dev/tcp/127.0.0.1/$port" && printf 'AMQP\0\0\011\001' >&3 && IFS= read -r -t 2 -N 1 -u 3 first
        exec 3>&-
    } 2>/dev/null || return 1
    [ "$first" = $'\001' ]
}

# The main thread of a process that is killed ends first: for some milliseconds, on a busy machine for longer, the others
# still hold the listener and every connection.
gone_for_good() { gone pid && ! taken "$(run_file port)"; }

taken() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# wait_for SECONDS COMMAND...: until the command succeeds
wait_for() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@"; do
        [ $SECONDS -lt $deadline ] || return 1
        sleep 0.1
    done
}

free_ports() {
    python3 - "$1" <<'PY'
import socket, sys
held = [socket.socket() for _ in range(int(sys.argv[1]))]
for s in held:
    s.bind(("127.0.0.1", 0))
print(*[s.getsockname()[1] for s in held])
PY
}

# --- environment -------------------------------------------------------------------------------------------------

# Everything RabbitMQ and Erlang would otherwise look for in /etc, /var or the home folder.
set_env() {
    export HOME="$DIR/home"
    export ERL_EPMD_PORT ERL_EPMD_ADDRESS=127.0.0.1 ERL_CRASH_DUMP_SECONDS=0
    ERL_EPMD_PORT=$(run_file epmd_port)
    export RABBITMQ_NODENAME=rabbit@localhost RABBITMQ_NODE_IP_ADDRESS=127.0.0.1 RABBITMQ_NODE_PORT RABBITMQ_DIST_PORT
    RABBITMQ_NODE_PORT=$(run_file port)
    RABBITMQ_DIST_PORT=$(run_file dist_port)
    export RABBITMQ_CONF_ENV_FILE="$DIR/etc/no-env.conf"
    export RABBITMQ_CONFIG_FILE="$DIR/etc/rabbitmq.conf" RABBITMQ_ADVANCED_CONFIG_FILE="$DIR/etc/advanced.config"
    export RABBITMQ_ENABLED_PLUGINS_FILE="$DIR/etc/enabled_plugins" RABBITMQ_GENERATED_CONFIG_DIR="$DIR/etc/generated"
    export RABBITMQ_MNESIA_BASE="$DIR/data" RABBITMQ_LOG_BASE="$DIR/log" RABBITMQ_PID_FILE="$DIR/run/rabbit.pid"
    export RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="-kernel inet_dist_use_interface {127,0,0,1} +S 2:2"
    export LANG=C.UTF-8 LC_ALL=C.UTF-8
    # Makes rabbitmq-server become the Erlang machine instead of waiting for it as a shell.
    export RUNNING_UNDER_SYSTEMD=true
    unset NOTIFY_SOCKET
}

write_config() {
    mkdir -p "$DIR"/{data,log,etc,home,run}
    chmod 700 "$DIR" "$DIR/home"
    echo '[].' >"$DIR/etc/enabled_plugins"
    cat >"$DIR/etc/rabbitmq.conf" <<CONF
loopback_users = none
disk_free_limit.absolute = 50MB
vm_memory_high_watermark.relative = 0.4
log.file.level = warning
CONF
}

# --- commands ----------------------------------------------------------------------------------------------------

start_epmd() {
    alive epmd.pid && return
    setsid epmd -port "$ERL_EPMD_PORT" -address 127.0.0.1 </dev/null >"$DIR/log/epmd.log" 2>&1 &
    echo $! >"$DIR/run/epmd.pid"
    wait_for 5 epmd -port "$ERL_EPMD_PORT" -names >/dev/null 2>&1 || die "epmd does not start, see $DIR/log/epmd.log"
}

start() {
    local port=$1 dist epmd
    [ -x $LIB/rabbitmq-server ] || die "rabbitmq-server is not installed" 2
    if alive pid && answers; then
        [ "$(run_file port)" = "$port" ] || die "the broker in $DIR runs on port $(run_file port), not $port"
        return
    fi
    alive pid && die "the broker in $DIR runs but does not answer (paused?)"
    taken "$port" && die "port $port is in use by another program" 4
    write_config
    read -r dist epmd < <(free_ports 2)
    alive epmd.pid && epmd=$(run_file epmd_port)
    echo "$port" >"$DIR/run/port"
    echo "$dist" >"$DIR/run/dist_port"
    echo "$epmd" >"$DIR/run/epmd_port"
    set_env
    start_epmd
    (cd "$DIR" && exec setsid $LIB/rabbitmq-server </dev/null >"$DIR/log/start.log" 2>&1) &
    echo $! >"$DIR/run/pid"
    wait_for "$START_S" up_or_dead
    answers && return
    tail -n 20 "$DIR/log/start.log" >&2
    stop
    die "the broker did not come up on 127.0.0.1:$port, see $DIR/log"
}

# Not `gone`: in its first moment the process still has our environment.
up_or_dead() { answers || ! kill -0 "$(run_file pid)" 2>/dev/null; }

# end NAME: SIGTERM, then SIGKILL
end() {
    local pid
    pid=$(run_file "$1")
    if alive "$1"; then
        kill -CONT "$pid" 2>/dev/null || true
        kill -TERM "$pid" 2>/dev/null || true
        wait_for "$STOP_S" gone "$1" || kill -KILL "$pid" 2>/dev/null || true
        wait_for 5 gone "$1" || true
    fi
    rm -f "$DIR/run/$1"
}

stop() {
    end pid
    [ -z "$(run_file port)" ] || wait_for 5 gone_for_good || true # the next start says who has the port
    end epmd.pid
}

status() {
    if ! alive pid; then
        echo "stopped"
        return 1
    elif answers; then
        echo "running on 127.0.0.1:$(run_file port), pid $(run_file pid)"
    else
        echo "not answering on 127.0.0.1:$(run_file port), pid $(run_file pid)"
        return 1
    fi
}

ctl() {
    alive pid || die "no broker runs in $DIR"
    set_env
    # The tool is an Erlang node as well: keep its port from clashing with another instance's.
    local port
    port=$(free_ports 1)
    (cd "$DIR" && RABBITMQ_CTL_DIST_PORT_MIN=$port RABBITMQ_CTL_DIST_PORT_MAX=$port $LIB/rabbitmqctl --quiet "$@")
}

signal() {
    alive pid || die "no broker runs in $DIR"
    kill "-$1" "$(run_file pid)"
}

case ${1:-} in
-h | --help | help)
    usage
    exit 0
    ;;
esac
[ $# -ge 2 ] || {
    usage >&2
    exit 2
}
COMMAND=$1
mkdir -p "$2"
DIR=$(cd "$2" && pwd)
shift 2
case $COMMAND in
start)
    [[ ${1:-} =~ ^[0-9]+$ ]] || die "start needs a port" 2
    start "$1"
    ;;
stop) stop ;;
restart)
    port=$(run_file port)
    [ -n "$port" ] || die "there has been no broker in $DIR"
    stop
    start "$port"
    ;;
crash)
    signal KILL
    wait_for "$STOP_S" gone_for_good || die "killed, but port $(run_file port) is still in use"
    ;;
status) status ;;
pause) signal STOP ;;
resume) signal CONT ;;
block) ctl set_vm_memory_high_watermark 0 ;;
unblock) ctl set_vm_memory_high_watermark 0.4 ;;
ctl) ctl "$@" ;;
*)
    usage >&2
    exit 2
    ;;
esac
