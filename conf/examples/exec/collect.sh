#!/bin/sh
# Appends lines of sensors, "NAME NUMBER", to a CSV file, with the time. Answers
# only errors. FILE is in the environment.
while IFS=' ' read -r id name number rest; do
	case $id in
	*[!0-9]*) continue ;;	# lined's own: hello, +ID, -ID
	esac
	case $name in
	'' | *[!A-Za-z0-9_.-]*) echo "$id a name has letters and digits"; continue ;;
	esac
	case $number$rest in
	'' | *[!0-9.-]*) echo "$id usage: NAME NUMBER" ;;
	*) echo "$(date -u +%Y-%m-%dT%H:%M:%SZ),$name,$number" >>"$FILE" ;;
	esac
done
