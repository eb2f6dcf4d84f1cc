#!/usr/bin/perl
# A key-value store, shared by all clients: "set KEY VALUE", "get KEY", "del
# KEY", "keys".
use strict;
use warnings;

my %store;
$| = 1;    # each answer at once, also if stdout = "pipe"

while (my $line = <STDIN>) {
	my ($id, $command, $key, $value) =
	    $line =~ /^(\d+) (\w+) ?(\S*) ?(.*)$/ or next;
	if ($command eq 'set' && $key ne '') {
		$store{$key} = $value;
		print "$id ok\n";
	} elsif ($command eq 'get') {
		print "$id ", $store{$key} // 'no such key', "\n";
	} elsif ($command eq 'del') {
		print "$id ", defined delete $store{$key} ? 'ok' : 'no such key',
		    "\n";
	} elsif ($command eq 'keys') {
		print "$id ", join(' ', sort keys %store), "\n";
	} else {
		print "$id commands: set KEY VALUE, get KEY, del KEY, keys\n";
	}
}
