#!/bin/sh
# A development CA and the certificates that the service, the local platform and test callers use among themselves.
# Never for production: the CA's key lies beside the certificates.
set -eu

usage() {
    cat <<'USAGE'
usage: scripts/pki.sh [--bad] [--days N] DIR

Makes in DIR (created with mode 0700), EC P-256 throughout, private keys mode 0600:
  ca.crt ca.key                        the development CA
  sip-signaling.crt sip-signaling.key  this service, as client and as server
                                       (sip-signaling-service, localhost, 127.0.0.1, ::1)
  platform.crt platform.key            the local user, dialplan and media server
                                       (user-service, dialplan-service, media-service, sentiric.cloud, localhost, ...)
  client.crt client.key                a caller of our gRPC server (agent-service, localhost)

Run again, it keeps every file that is still good: signed by this CA, key and names as expected, valid for a week more.

  --bad      also make DIR/bad with key pairs that a peer must refuse:
               other-ca.crt/.key    right names, signed by another CA (bad/ca.crt)
               expired.crt/.key     right names and CA, ended yesterday
               wrong-name.crt/.key  right CA, but a server named wrong.invalid
  --days N   lifetime of what is made (default 825)
USAGE
}

bad=0
days=825
while [ $# -gt 0 ]; do
    case $1 in
    --bad) bad=1 ;;
    --days) days=${2:?--days needs a number} && shift ;;
    -h | --help) usage && exit 0 ;;
    -*) echo "pki.sh: unknown option $1 (try --help)" >&2 && exit 2 ;;
    *) break ;;
    esac
    shift
done
[ $# -eq 1 ] || { usage >&2 && exit 2; }
case $days in '' | *[!0-9]*) echo "pki.sh: --days needs a number, not '$days'" >&2 && exit 2 ;; esac

umask 077
dir=$1
mkdir -p "$dir"
work=$(mktemp -d "$dir/.pki.XXXXXX")
trap 'rm -rf "$work"' EXIT
# Two runs at once must not mix one's CA with the other's certificates.
exec 9>"$dir/.lock"
flock 9

WEEK_SEC=604800
SERVICE_NAMES='DNS:sip-signaling-service,DNS:localhost,IP:127.0.0.1,IP:::1'
PLATFORM_NAMES='DNS:user-service,DNS:dialplan-service,DNS:media-service,DNS:sentiric.cloud,DNS:localhost,IP:127.0.0.1,IP:::1'
CLIENT_NAMES='DNS:agent-service,DNS:localhost'

# $1 command... : quiet unless it fails
quiet() {
    "$@" >"$work/out" 2>&1 || { cat "$work/out" >&2 && return 1; }
}

# $1 crt, $2 key: the pair belongs together and lives another week
pair_good() {
    [ -s "$1" ] && [ -s "$2" ] && openssl x509 -in "$1" -noout -checkend $WEEK_SEC >/dev/null 2>&1 &&
        [ "$(openssl x509 -in "$1" -noout -pubkey 2>/dev/null)" = "$(openssl pkey -in "$2" -pubout 2>/dev/null)" ]
}

# $1 crt, $2 names as in SERVICE_NAMES: the certificate has exactly these (compared as the extension's DER)
names_good() {
    printf '[s]\nsubjectAltName=%s\n' "$2" >"$work/san.cnf"
    quiet openssl req -new -x509 -key "$work/probe.key" -subj /CN=probe -config "$work/req.cnf" \
        -extensions s -out "$work/probe.crt"
    cmp -s "$(san_of "$work/probe.crt" probe)" "$(san_of "$1" have)"
}
san_of() {
    openssl x509 -in "$1" -noout -ext subjectAltName >"$work/$2.san" 2>/dev/null
    echo "$work/$2.san"
}

key_new() {
    quiet openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1"
}

# $1 directory, $2 common name
ca_make() {
    if pair_good "$1/ca.crt" "$1/ca.key"; then
        return
    fi
    key_new "$work/ca.key"
    quiet openssl req -new -x509 -key "$work/ca.key" -subj "/CN=$2" -days "$days" -config "$work/req.cnf" \
        -extensions ca -out "$work/ca.crt"
    mv "$work/ca.key" "$1/ca.key"
    mv "$work/ca.crt" "$1/ca.crt"
    chmod 0644 "$1/ca.crt"
    echo "made $1/ca.crt"
}

# $1 CA directory, $2 target without suffix, $3 common name, $4 names, $5 first day, $6 last day (YYYYMMDDHHMMSSZ)
cert_sign() {
    key_new "$work/leaf.key"
    quiet openssl req -new -key "$work/leaf.key" -subj "/CN=$3" -config "$work/req.cnf" -out "$work/leaf.csr"
    {
        echo '[leaf]'
        echo 'basicConstraints=critical,CA:FALSE'
        echo 'keyUsage=critical,digitalSignature'
        echo 'extendedKeyUsage=serverAuth,clientAuth'
        echo 'subjectKeyIdentifier=hash'
        echo 'authorityKeyIdentifier=keyid'
        echo "subjectAltName=$4"
        echo '[ca]'
        echo 'default_ca=db'
        echo '[db]'
        echo "database=$work/index"
        echo "new_certs_dir=$work"
        echo 'rand_serial=yes'
        echo 'default_md=sha256'
        echo 'policy=any'
        echo 'unique_subject=no'
        echo '[any]'
        echo 'commonName=supplied'
    } >"$work/sign.cnf"
    : >"$work/index"
    # "openssl ca", because only it can set both ends of the lifetime (the expired certificate needs that)
    quiet openssl ca -batch -notext -config "$work/sign.cnf" -cert "$1/ca.crt" -keyfile "$1/ca.key" -in "$work/leaf.csr" \
        -extensions leaf -startdate "$5" -enddate "$6" -out "$work/leaf.crt"
    mv "$work/leaf.key" "$2.key"
    mv "$work/leaf.crt" "$2.crt"
    chmod 0644 "$2.crt"
    echo "made $2.crt"
}

stamp() {
    date -u -d "$1" +%Y%m%d%H%M%SZ
}

# $1 CA directory, $2 target without suffix, $3 common name, $4 names
cert_make() {
    if pair_good "$2.crt" "$2.key" && openssl verify -CAfile "$1/ca.crt" "$2.crt" >/dev/null 2>&1 &&
        names_good "$2.crt" "$4"; then
        return
    fi
    cert_sign "$1" "$2" "$3" "$4" "$(stamp '-5 minutes')" "$(stamp "+$days days")"
}

cat >"$work/req.cnf" <<CNF
.include $work/san.cnf
[req]
distinguished_name=dn
prompt=no
[dn]
[ca]
basicConstraints=critical,CA:TRUE,pathlen:0
keyUsage=critical,keyCertSign,cRLSign
subjectKeyIdentifier=hash
CNF
: >"$work/san.cnf"
key_new "$work/probe.key"

ca_make "$dir" 'Development CA'
cert_make "$dir" "$dir/sip-signaling" sip-signaling-service "$SERVICE_NAMES"
cert_make "$dir" "$dir/platform" platform "$PLATFORM_NAMES"
cert_make "$dir" "$dir/client" agent-service "$CLIENT_NAMES"

if [ $bad -eq 1 ]; then
    mkdir -p "$dir/bad"
    ca_make "$dir/bad" 'Somebody else'
    ALL_NAMES="DNS:sip-signaling-service,DNS:agent-service,$PLATFORM_NAMES"
    cert_make "$dir/bad" "$dir/bad/other-ca" other-ca "$ALL_NAMES"
    cert_make "$dir" "$dir/bad/wrong-name" wrong-name DNS:wrong.invalid
    # Kept only while it still chains to this CA; that it has ended is its purpose.
    if ! openssl verify -no_check_time -CAfile "$dir/ca.crt" "$dir/bad/expired.crt" >/dev/null 2>&1; then
        cert_sign "$dir" "$dir/bad/expired" expired "$ALL_NAMES" "$(stamp '-2 days')" "$(stamp '-1 days')"
    fi
fi
