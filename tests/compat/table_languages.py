# SPDX-License-Identifier: Apache-2.0
"""Language runtimes: interpreters, virtual machines that generate code, compiled languages, dynamic and static."""

from execute import Row
from table_core import PYTHON

JAVA = """cat > Probe.java <<'X'
import java.util.*;
import java.util.concurrent.*;
import java.util.stream.*;
public class Probe {
    public static void main(String[] arguments) throws Exception {
        Map<Integer, List<Integer>> groups = IntStream.range(0, 200000).boxed().collect(Collectors.groupingBy(i -> i % 97));
        ExecutorService pool = Executors.newFixedThreadPool(4);
        List<Future<Long>> sums = new ArrayList<>();
        for (List<Integer> group : groups.values()) sums.add(pool.submit(() -> group.stream().mapToLong(i -> i).sum()));
        long total = 0;
        for (Future<Long> sum : sums) total += sum.get();
        pool.shutdown();
        int caught = 0;
        for (int i = 0; i < 1000; i++) try { String s = i % 2 == 0 ? null : "x"; s.length(); } catch (NullPointerException e) { caught++; }
        System.gc();
        Process child = new ProcessBuilder("echo", "child").inheritIO().start();
        System.out.println(total + " " + caught + " " + child.waitFor());
        System.exit(3);
    }
}
X
"""

GO = """cat > probe.go <<'X'
package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"sort"
	"sync"
)

func main() {
	var group sync.WaitGroup
	sums := make([]int, 50)
	for i := range sums {
		group.Add(1)
		go func(i int) {
			defer group.Done()
			m := map[int]string{}
			for k := 0; k < 2000; k++ {
				m[k] = fmt.Sprint(k * i)
			}
			sums[i] = len(m) + len(m[7])
		}(i)
	}
	group.Wait()
	sort.Ints(sums)
	out, err := exec.Command("echo", "child").Output()
	_, missing := net.LookupPort("tcp", "http")
	fmt.Println(sums[49], string(out), err, missing)
	os.Exit(4)
}
X
export GOCACHE=$PWD/cache GOPATH=$PWD/path GOFLAGS=-mod=mod GO111MODULE=off
"""

RUST = """cat > probe.rs <<'X'
use std::collections::HashMap;
use std::process::Command;
use std::thread;
fn main() {
    let workers: Vec<_> = (0..4).map(|i| thread::spawn(move || {
        let mut counts: HashMap<String, usize> = HashMap::new();
        for k in 0..20000 { *counts.entry(format!("{}", k % 777)).or_insert(0) += i; }
        counts.values().sum::<usize>()
    })).collect();
    let total: usize = workers.into_iter().map(|w| w.join().unwrap()).sum();
    let caught = std::panic::catch_unwind(|| { panic!("expected") }).is_err();
    println!("{} {} {:?}", total, caught, Command::new("echo").arg("child").output().unwrap().stdout);
    std::process::exit(5);
}
X
"""

NUMPY = """
import numpy, threading, sqlite3, asyncio, subprocess, tempfile, zlib, hashlib, ctypes
a = numpy.arange(250000.0).reshape(500, 500)
print(float((a @ a.T).sum()), numpy.linalg.eigvalsh(a + a.T)[-1].round(3))
base = sqlite3.connect('base')
base.execute('create table t(a integer primary key, b text)')
base.executemany('insert into t(b) values(?)', [(str(i),) for i in range(5000)])
base.commit()
print(base.execute('select sum(a), max(b) from t where b like "%7%"').fetchall())
async def work(i):
    process = await asyncio.create_subprocess_exec('echo', str(i), stdout=subprocess.PIPE)
    return (await process.communicate())[0]
async def main():
    return await asyncio.gather(*(work(i) for i in range(8)))
print(asyncio.run(main()))
threads = [threading.Thread(target=lambda: [zlib.compress(bytes(1000)) for _ in range(500)]) for _ in range(4)]
[t.start() for t in threads]; [t.join() for t in threads]
print(ctypes.CDLL(None).strlen(b'four'), hashlib.sha256(b'x').hexdigest()[:8])
try: ctypes.CDLL('libnosuch.so')
except OSError as error: print(error)
"""


def language(name, command, packages, **more):
    return Row(name, command, "languages", packages=packages, **more)


ROWS = [
    language("python3 with numpy", [PYTHON, "-c", NUMPY], "python3-numpy", sees=("python3.*", "echo")),
    language("perl threads and fork", ["perl", "-e", "use threads; use POSIX; my @t = map { my $i = $_; threads->create(sub { my $s = 0; $s += $_ * $i for 1..20000; $s }) } 1..4; print join(' ', map { $_->join } @t), qq(\\n); "
                                       "for my $i (1..5) { my $p = fork; if (!$p) { POSIX::_exit($i) } waitpid($p, 0); print $? >> 8, qq(\\n) } $SIG{ALRM} = sub { print qq(alarm\\n) }; alarm 1; select(undef, undef, undef, 3); exec 'echo', 'end'"], "perl",
             sees=("perl", "echo")),
    language("ruby", ["ruby", "-e", "h = Hash.new { |a, b| a[b] = [] }; 50000.times { |i| h[i % 91] << i.to_s }; puts h[5].size; t = 4.times.map { |i| Thread.new { (1..20000).sum * i } }; puts t.sum(&:value); "
                      "pid = fork { exit 3 }; Process.wait(pid); puts $?.exitstatus; puts `echo sub`; f = Fiber.new { 5.times { |i| Fiber.yield i } }; puts 5.times.map { f.resume }.inspect; begin; raise 'x'; rescue => e; puts e.message; end; "
                      "GC.start; Process.spawn('echo spawned'); Process.wait; exit 6"], "ruby", sees=("ruby.*",)),
    language("node", ["node", "-e", "const {Worker} = require('worker_threads'); const cp = require('child_process'); let a = []; for (let i = 0; i < 1e5; i++) a.push({i}); console.log(a.length, cp.execSync('echo sub').toString()); "
                      "const w = new Worker('require(\"worker_threads\").parentPort.postMessage([...Array(1000).keys()].reduce((x, y) => x + y))', {eval: true}); w.on('message', m => { console.log(m); "
                      "require('zlib').gzip('x'.repeat(10000), (e, b) => { console.log(b.length); require('fs').writeFileSync('out', 'written'); process.exit(7) }) })"], "nodejs", sees=("node",)),
    language("java and javac", "javac Probe.java && java -Xmx200m -cp . Probe; echo $?; java -Xint -version 2>&1 | wc -l; jar cf p.jar *.class; jar tf p.jar | grep -c Probe; rm *.jar", "openjdk-17-jdk-headless", before=JAVA,
             sees=("javac", "java", "echo"), timeout=300),
    language("java collectors", "javac Probe.java; for c in Serial G1 Parallel; do java -XX:+Use${c}GC -Xmx200m Probe; done; java -XX:TieredStopAtLevel=1 -Xmx100m Probe", "openjdk-17-jdk-headless", before=JAVA,
             sees=("java",), timeout=300),
    language("go build", GO + "go vet probe.go; go build -o probe probe.go; ./probe; echo $?; chmod -R u+w path cache; rm -rf cache path probe", "golang-go", sees=("go",), timeout=400),
    language("go static", ["./probe"], "golang-go", before=GO + "CGO_ENABLED=0 go build -o probe probe.go; rm -rf cache path", nothing="static", timeout=400),
    language("go with cgo", ["./probe"], "golang-go gcc", before=GO + "sed -i '/os.exec/d; s/exec.Command.*Output()/[]byte(\"child\"), error(nil)/' probe.go; CGO_ENABLED=1 go build -o probe probe.go; rm -rf cache path", sees=("probe",), timeout=400,
             note="Go's own heap is its own; what is seen is libc's, and CPU; what it executes, by system calls of its own, gets a recording of its own"),
    language("rust", ["./probe"], "", before=RUST + "command -v rustc || export PATH=$PATH:/root/.cargo/bin; HOME=/root rustc -O -g probe.rs -o probe", sees=("probe",), timeout=300),
    language("rust static", ["./probe"], "", before=RUST + "command -v rustc || export PATH=$PATH:/root/.cargo/bin; HOME=/root rustc -O -C target-feature=+crt-static probe.rs -o probe", nothing="static", timeout=300),
    language("rustc", "command -v rustc > /dev/null || export PATH=$PATH:/root/.cargo/bin; HOME=/root rustc -O probe.rs -o probe; ./probe", "", before=RUST, sees=("rustc", "probe"), timeout=300),
    language("php", ["php", "-r", "$a = []; for ($i = 0; $i < 100000; $i++) $a[$i % 997][] = md5($i); echo count($a), ' ', $a[5][3], \"\\n\"; echo shell_exec('echo sub'); preg_match('/(\\d+)/', 'ab123', $m); echo $m[1], json_encode(['x' => 1]); exit(8);"],
             "php-cli", sees=("php.*",)),
    language("lua", ["lua5.4", "-e", "local t = {} for i = 1, 100000 do t[i % 997] = (t[i % 997] or '') .. 'x' end print(#t[5]) local c = coroutine.wrap(function() for i = 1, 3 do coroutine.yield(i) end end) print(c(), c(), c()) print(pcall(error, 'x')) print(io.popen('echo sub'):read()) os.exit(9)"],
             "lua5.4"),
    language("luajit", ["luajit", "-e", "local s = 0 for i = 1, 1e7 do s = s + i % 7 end print(s) local ffi = require 'ffi' ffi.cdef 'int getppid(void);' print(ffi.C.getppid() > 0) local t = {} for i = 1, 1e5 do t[i] = {i} end print(#t) error('end')"],
             "luajit", sees=("luajit.*",)),
    language("tcl", "echo 'for {set i 0} {$i < 50000} {incr i} {lappend l [expr {$i % 91}]}; puts [llength [lsort -unique $l]]; puts [exec echo sub]; catch {exec false} e; puts $e; after 50 {set done 1}; vwait done; exit 2' > p.tcl; tclsh p.tcl", "tcl",
             sees=("tclsh.*",)),
    language("guile", ["guile", "--no-auto-compile", "-c", "(use-modules (ice-9 threads) (srfi srfi-1)) (display (par-map (lambda (x) (* x x)) (iota 10))) (display (fold + 0 (iota 100000))) (newline) (display (call/cc (lambda (k) (+ 1 (k 5))))) (gc) (system \"echo sub\") (exit 3)"],
             "guile-3.0", sees=("guile.*",)),
    language("R", ["R", "--vanilla", "-s", "-e", "set.seed(1); m <- matrix(rnorm(40000), 200); print(round(sum(solve(m) %*% m), 6)); print(summary(lm(dist ~ speed, cars))$r.squared); x <- parallel::mclapply(1:4, function(i) i^2, mc.cores = 2); print(unlist(x)); system('echo sub'); quit(status = 4)"],
             "r-base-core", sees=("R",)),
    language("ocaml", "echo 'let () = let t = Hashtbl.create 10 in for i = 0 to 100000 do Hashtbl.replace t (i mod 991) (string_of_int i) done; Gc.compact (); Printf.printf \"%d %s\\n\" (Hashtbl.length t) (Hashtbl.find t 5); exit 3' > p.ml; "
             "ocamlopt p.ml -o p 2> /dev/null && ./p; echo $?; ocaml p.ml; rm -f p p.o", "ocaml-nox gcc", sees=("ocamlopt.*", "p")),
    language("sbcl", ["sbcl", "--non-interactive", "--no-userinit", "--eval", "(progn (defun f (n) (if (< n 2) n (+ (f (- n 1)) (f (- n 2))))) (compile 'f) (print (f 25)) (let ((l (loop for i below 200000 collect (format nil \"~a\" i)))) (print (length l))) (gc :full t) "
                      "(let ((th (sb-thread:make-thread (lambda () (f 20))))) (print (sb-thread:join-thread th))) (handler-case (car 5) (error () (print :caught))) (terpri) (sb-ext:exit :code 4))"], "sbcl"),
    language("erlang", ["erl", "-noshell", "-eval", "P = [spawn_monitor(fun() -> exit(lists:sum(lists:seq(1, I * 100))) end) || I <- lists:seq(1, 200)], S = [receive {'DOWN', R, process, _, X} -> X end || {_, R} <- P], io:format(\"~p ~s~n\", [lists:sum(S), os:cmd(\"echo sub\")]), halt(3)."],
             "erlang-base", sees=("beam.smp",)),
]
