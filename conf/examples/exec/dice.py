#!/usr/bin/python3
# Throws dice for all clients: "roll 2d6". Sends each throw to everybody. The
# state is a dict.
import random
import re
import sys

names = {}

for line in sys.stdin:
    head, _, text = line.rstrip("\n").partition(" ")
    if head.startswith("+"):
        client = head[1:]
        names[client] = "player" + client
        print(client, "you are %s; try: roll 2d6, or: name ada"
              % names[client])
        print("*-%s %s is here" % (client, names[client]))
    elif head.startswith("-"):
        print("* %s has left" % names.pop(head[1:], "somebody"))
    elif head.isdigit():
        throw = re.fullmatch(r"roll (\d{1,2})d(\d{1,3})", text)
        if throw and int(throw[1]) > 0 and int(throw[2]) > 0:
            dice = [random.randint(1, int(throw[2]))
                    for _ in range(int(throw[1]))]
            print("* %s rolls %s = %d"
                  % (names[head], " ".join(map(str, dice)), sum(dice)))
        elif text.startswith("name ") and len(text) < 40:
            print("* %s is now %s" % (names[head], text[5:]))
            names[head] = text[5:]
        elif text == "quit":
            print(head, "bye")
            print("-" + head)
        else:
            print(head, "what is \"%s\"?" % text)
