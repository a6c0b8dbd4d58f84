#!/bin/sh
# A service for inetd, tcpserver and the like: the client is standard input and output.
read -r name
dots=$(printf '%0500d' 0)
i=0
while [ "$i" -lt 800 ]; do
    i=$((i + 1))
    echo "$i $name $dots"
done
