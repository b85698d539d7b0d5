#!/bin/sh
# Writes each secret that compose.yaml names to a file in deploy/secrets/, unless it is there: `sh deploy/secrets.sh`.
# The folder is for its owner alone. The files in it can be read by all, because a container's user isn't the one who wrote them.
set -eu
cd "$(dirname "$0")"
mkdir -p secrets
chmod 700 secrets
for name in postgres_password nats_password media_secret webchat_secret ana_token sam_token; do
  [ -s "secrets/$name" ] || od -An -N24 -tx1 /dev/urandom | tr -d ' \n' >"secrets/$name"
done
rm -f secrets/nats_authorization.conf
# What the NATS servers include: a part of their config, with the same password.
printf 'authorization { user: byoc, password: "%s" }\n' "$(cat secrets/nats_password)" >secrets/nats_authorization.conf
chmod 444 secrets/*
echo "Ana's token: $(cat secrets/ana_token)"
echo "Sam's token: $(cat secrets/sam_token)"
