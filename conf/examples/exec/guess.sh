#!/bin/sh
# A program for one client, as inetd would start it. Its prompts have no line
# end.
number=$(($(od -An -N2 -tu2 /dev/urandom) % 100 + 1))
while printf 'a number from 1 to 100: ' && read -r guess; do
	case $guess in
	'' | *[!0-9]* | ????*) echo 'digits, please' ; continue ;;
	esac
	if [ "$guess" -lt "$number" ]; then echo 'more'
	elif [ "$guess" -gt "$number" ]; then echo 'less'
	else echo "yes, $TCPREMOTEIP"; exit 0; fi
done
