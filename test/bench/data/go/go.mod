module rstream-operator/test/bench/data/go

go 1.26
