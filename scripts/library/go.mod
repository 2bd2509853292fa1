module example.org/own

go 1.26

require flowmatch v0.0.0

replace flowmatch => ../..
