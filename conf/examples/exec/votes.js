#!/usr/bin/node
// Counts votes: each client has one, and may change it. "vote NAME", "count".
const votes = new Map();
const lines = require('readline').createInterface({input: process.stdin});

function count() {
  const sums = {};
  for (const name of votes.values()) sums[name] = (sums[name] || 0) + 1;
  return Object.entries(sums).sort((a, b) => b[1] - a[1])
    .map(([name, n]) => `${name} ${n}`).join(', ') || 'no votes';
}

lines.on('line', (line) => {
  const [, id, text] = line.match(/^(\d+) (.*)$/) || [];
  if (line.startsWith('-')) votes.delete(line.slice(1).split(' ')[0]);
  if (!id) return;
  if (text.startsWith('vote ')) {
    votes.set(id, text.slice(5));
    console.log(`* ${count()}`);
  } else {
    console.log(`${id} ${text === 'count' ? count() : 'vote NAME, or count'}`);
  }
});
