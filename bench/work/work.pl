# What scripts in Perl do all day: lines, patterns, hashes, sorting. Prints a checksum.
use strict;
use warnings;

my $state = 7;
sub random { $state = ($state * 1103515245 + 12345) & 0x7fffffff; return $state >> 8 }

my @methods = qw(GET POST PUT HEAD);
my @lines = map {
    sprintf("10.0.%d.%d - [%02d/Nov/2026] \"%s /page/%d/item?id=%d HTTP/1.1\" %d %d",
        random() % 16, random() % 256, 1 + random() % 30, $methods[random() % 4], random() % 50, random() % 1000,
        (200, 200, 200, 304, 404)[random() % 5], random() % 20000)
} 1 .. 25000;

my (%bytes, %status, %hosts);
for my $line (@lines) {
    next unless $line =~ m{^(\S+) - \[(\d+)/\w+/\d+\] "(\w+) (/page/\d+)/\S* HTTP/[\d.]+" (\d{3}) (\d+)$};
    $bytes{"$3 $4"} += $6;
    $status{$5}++;
    $hosts{$1}{$2}++;
}
my @top = sort { $bytes{$b} <=> $bytes{$a} || $a cmp $b } keys %bytes;
my $text = join("\n", @lines);
$text =~ s/(\d+)/<$1>/g;
$text =~ tr/a-z/A-Z/;
my $words = 0;
$words++ while $text =~ /\b[A-Z]{3,}\b/g;
my $days = 0;
$days += keys %{$hosts{$_}} for keys %hosts;
my $hash = 0;
$hash = ($hash * 31 + ord) & 0xffffff for split //, substr($text, 0, 200000);
print join(" ", $top[0], $bytes{$top[0]}, (map { "$_=$status{$_}" } sort keys %status), $words, $days, $hash), "\n";
