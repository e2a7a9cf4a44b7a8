# Export-CracCoreDump on images of real trees; what debuggers make of the cores is tested in xunit (DebuggerTests).

BeforeDiscovery {
    Import-Module "$PSScriptRoot/Support.psm1"
    $obstacle = Get-CriuObstacle gdb, python3, tar, zstd

    # Each prints Ready; Debug is its debugger with $exe and ./app.core, and Shows what only a core of the program can show.
    $languages = @(
        @{
            Language = 'C'
            Obstacle = Get-CriuObstacle cc, gdb
            Ready    = 'ready'
            Start    = {
                Set-Content app.c @'
#include <stdio.h>
#include <unistd.h>
int answer = 4711;
static void waits(void) { for (;;) pause(); }
int main(void) { puts("ready"); fflush(stdout); waits(); }
'@
                cc -g -O0 -o app app.c
                "$PWD/app"
            }
            Debug    = { gdb -nx -batch -iex 'set debuginfod enabled off' -ex bt -ex 'p answer' $exe ./app.core 2>&1 }
            Shows    = 'waits \(\) at app\.c:4', '\$1 = 4711'
        }
        @{
            Language = 'Python'
            Obstacle = Get-CriuObstacle python3, gdb
            Ready    = 'ready'
            Start    = { "$(Find-Program python3) -uc 'import time; print(`"ready`"); time.sleep(1000000)'" }
            Debug    = { gdb -nx -batch -iex 'set debuginfod enabled off' -ex bt $exe ./app.core 2>&1 }
            Shows    = 'nanosleep', '_PyEval_|PyObject_Vectorcall'
        }
        @{
            Language = 'node'
            Obstacle = Get-CriuObstacle node, gdb
            Ready    = 'ready'
            Start    = { "$(Find-Program node) -e 'setInterval(() => {}, 1 << 30); console.log(`"ready`")'" }
            Debug    = { gdb -nx -batch -iex 'set debuginfod enabled off' -ex bt $exe ./app.core 2>&1 }
            Shows    = 'epoll_pwait|epoll_wait', 'uv_run'
        }
        @{
            Language = 'Java'
            Obstacle = Get-CriuObstacle java, javac, jhsdb
            Ready    = 'ready'
            Start    = {
                Set-Content Waiting.java 'public class Waiting { public static void main(String[] a) throws Exception { System.out.println("ready"); Thread.sleep(1000000); } }'
                javac -d . Waiting.java
                "$(Find-Program java) -Xmx64m -XX:+UseSerialGC -XX:-UsePerfData -cp $PWD Waiting"
            }
            Debug    = { jhsdb jstack --core ./app.core --exe $exe 2>&1 }
            Shows    = 'Waiting\.main', 'java\.lang\.Thread\.sleep'
        }
        @{
            Language = '.NET'
            Obstacle = Get-CriuObstacle dotnet-dump
            Ready    = '1'
            Start    = {
                $counter = Get-ChildItem "$PSScriptRoot/../../samples/Counter/bin" -Recurse -Filter counter.dll | Select-Object -First 1 -ExpandProperty FullName
                "dotnet $counter --interval 2147483647"
            }
            Debug    = { & (Find-Program dotnet-dump) analyze ./app.core -c 'clrstack -all' -c exit 2>&1 }
            Shows    = 'OS Thread Id', 'Main'
        }
    )
}

BeforeAll {
    Import-Module "$PSScriptRoot/Support.psm1"
    $folder = Enter-CracTest
}

AfterAll {
    Exit-CracTest
}

Describe "Export-CracCoreDump$(Get-SkipNote $obstacle)" -Skip:([bool] $obstacle) {
    BeforeAll {
        # A parent and a child, each with a thread besides the main one.
        $script = "$folder/tree.py"
        Set-Content $script @'
import os, threading, time
secret = "SECRET-OF-%d" % (os.fork() == 0)
threading.Thread(target=time.sleep, args=(1000000,), daemon=True).start()
open(os.environ["READY"] + str(secret[-1]), "w").close()
time.sleep(1000000)
'@
        $python = Find-Program python3
        $id = Start-TestProgram "env READY=$folder/ready $python $script"
        Wait-Until { (Test-Path "$folder/ready0") -and (Test-Path "$folder/ready1") } 'both processes are ready'
        $image = Invoke-CracCheckpoint -Id $id -ImageName tree
        $ids = $image.Processes.ProcessId
    }

    BeforeEach {
        $work = New-Item -ItemType Directory "$folder/work"
    }

    AfterEach {
        Remove-Item -Recurse -Force $work
    }

    It 'makes a core of each process, in a folder that is made for it' {
        $cores = @($image | Export-CracCoreDump -DestinationPath "$work/cores/")
        $cores.ProcessId | Should -Be $ids
        $cores.Path | Should -Be $ids.ForEach({ "$work/cores/tree.$_.core" })
        (Get-Item "$work/cores").UnixMode | Should -Be 'drwx------'
        foreach ($core in $cores) {
            (Get-Item $core.Path).UnixMode | Should -Be '-rw-------'
            $core.Size | Should -Be (Get-Item $core.Path).Length
            $core.ThreadCount, $core.Architecture, $core.IncludeFile, $core.IsIncomplete, $core.ImagePath | Should -Be 2, 'x64', 'Header', $false, $image.Path
            $core.Executable | Should -Be (Get-Item $python).ResolvedTarget
            $said = gdb -nx -batch -iex 'set debuginfod enabled off' -ex 'info threads' $core.Executable $core.Path 2>&1 | Out-String
            $said | Should -Match "LWP $($core.ProcessId)\)"
            [regex]::Matches($said, '\(LWP \d+\) ').Count | Should -BeGreaterOrEqual 2
        }
    }

    It 'takes an image by <What>' -ForEach @(
        @{ What = 'name'; Export = { Export-CracCoreDump tree "$work/x.core" -ProcessId $ids[1] } }
        @{ What = 'path'; Export = { Export-CracCoreDump "$($image.Path)*" "$work/x.core" -ProcessId $ids[1] } }
        @{ What = 'literal path'; Export = { Export-CracCoreDump -LiteralPath $image.Path -DestinationPath "$work/x.core" -ProcessId $ids[1] } }
        @{ What = 'object'; Export = { $image | Export-CracCoreDump -DestinationPath "$work/x.core" -ProcessId $ids[1] } }
        @{ What = 'tar file'; Export = { $null = Export-CracImage tree "$work/tree.tar" -Compression None; Export-CracCoreDump "$work/tree.tar" "$work/x.core" -ProcessId $ids[1] } }
        @{ What = 'tag of a store'; Export = { $null = Export-CracImage tree "oci:$work/store:v1"; Export-CracCoreDump "oci:$work/store:v1" "$work/x.core" -ProcessId $ids[1] } }
        @{ What = 'compressed archive'; Export = { $null = Export-CracImage tree "$work/tree.tar.zst"; Export-CracCoreDump "$work/tree.tar.zst" "$work/x.core" -ProcessId $ids[1] } }
    ) {
        $core = & $Export
        $core.ProcessId, $core.Path | Should -Be $ids[1], "$work/x.core"
        $null = Export-CracCoreDump tree "$work/expected.core" -ProcessId $ids[1]
        (Get-FileHash "$work/x.core").Hash | Should -Be (Get-FileHash "$work/expected.core").Hash
        Select-String -LiteralPath "$work/x.core" -Pattern 'SECRET-OF-1' -Encoding latin1 -Quiet | Should -BeTrue
        Get-ChildItem -Force "$env:PSCRAC_STATE_ROOT/imports" -ErrorAction Ignore | Should -BeNullOrEmpty
    }

    It 'names cores after the archive that they are of' {
        $null = Export-CracImage tree "$work/other.tar.zst"
        (Export-CracCoreDump "$work/other.tar.zst" $work -Compression Zstd).Path | Should -Be $ids.ForEach({ "$work/other.$_.core.zst" })
        zstd -q -d "$work/other.$id.core.zst" -o "$work/plain"
        $null = Export-CracCoreDump tree "$work/expected.core" -ProcessId $id
        (Get-FileHash "$work/plain").Hash | Should -Be (Get-FileHash "$work/expected.core").Hash
    }

    It 'replaces nothing without -Force, and goes on with the next' {
        Set-Content "$work/tree.$($ids[0]).core" 'mine'
        (Export-CracCoreDump tree $work -ErrorAction SilentlyContinue -ErrorVariable failed).ProcessId | Should -Be $ids[1]
        $failed.FullyQualifiedErrorId | Should -BeLike 'ImageExists,*'
        Get-Content "$work/tree.$($ids[0]).core" | Should -Be 'mine'
        (Export-CracCoreDump tree $work -Force).ProcessId | Should -Be $ids
    }

    It 'writes nothing with -WhatIf' {
        Export-CracCoreDump tree "$work/cores/" -WhatIf
        Get-ChildItem -Force $work | Should -BeNullOrEmpty
    }

    It 'refuses <What>' -ForEach @(
        @{ What = 'one file for several processes'; Call = { Export-CracCoreDump tree "$work/x.core" -ErrorAction Stop }; Id = 'OptionRefused,*' }
        @{ What = 'a process that the image does not have'; Call = { Export-CracCoreDump tree "$work/x.core" -ProcessId 2147483647 -ErrorAction Stop }; Id = 'ProcessNotFound,*' }
        @{ What = 'a folder that does not exist'; Call = { Export-CracCoreDump tree "$work/none/x.core" -ProcessId $ids[0] -ErrorAction Stop }; Id = 'FileMissing,*' }
        @{ What = 'an image that is not there'; Call = { Export-CracCoreDump none "$work/" -ErrorAction Stop }; Id = 'NotAnImage,*' }
    ) {
        $failure = $Call | Should -Throw -ErrorId $Id -PassThru
        $failure.ErrorDetails.RecommendedAction | Should -Match '\.$'
        Get-ChildItem -Force $work | Should -BeNullOrEmpty
    }

    It 'refuses a second core at the same path' {
        Export-CracCoreDump tree, tree "$work/x.core" -ProcessId $id -Force -ErrorAction SilentlyContinue -ErrorVariable failed | Should -HaveCount 1
        $failed.FullyQualifiedErrorId | Should -BeLike 'ImageExists,*'
    }

    It 'makes an incomplete core of a cut image only if that is asked for' {
        Copy-Item -Recurse $image.Path "$work/cut"
        $pages = Get-ChildItem "$work/cut/pages-*.img" | Sort-Object Length | Select-Object -Last 1
        $stream = [IO.File]::OpenWrite($pages.FullName)
        $stream.SetLength(100 * 4096)
        $stream.Dispose()
        Export-CracCoreDump "$work/cut" "$work/out/" -ErrorAction SilentlyContinue -ErrorVariable failed | Should -HaveCount 1
        $failed.FullyQualifiedErrorId | Should -BeLike 'ImageIncomplete,*'
        $cores = Export-CracCoreDump "$work/cut" "$work/out/" -AllowIncomplete -Force -WarningVariable warned -WarningAction SilentlyContinue
        $cores.IsIncomplete | Should -Be ($cores.ForEach({ [bool] $_.LeftOut.Where({ $_.Reason -eq 'ImageCut' }) }))
        @($cores.Where({ $_.IsIncomplete })).LeftOut.Where({ $_.Reason -eq 'ImageCut' }).Path | Should -Be $pages.Name
        $warned | Should -HaveCount 1
        "$warned" | Should -Match ([regex]::Escape($pages.Name))
    }

    It 'says what is left out' {
        $none = (Export-CracCoreDump tree "$work/none.core" -ProcessId $id -IncludeFile None).LeftOut
        $header = (Export-CracCoreDump tree "$work/header.core" -ProcessId $id -IncludeFile Header).LeftOut
        ($none | Measure-Object Size -Sum).Sum | Should -BeGreaterThan ($header | Measure-Object Size -Sum).Sum
        $none.Reason | Sort-Object -Unique | Should -Be 'InFile'
        ($none | Out-String) | Should -Match 'InFile +[\d.]+ [KM]iB /'
        (Export-CracCoreDump tree "$work/all.core" -ProcessId $id -IncludeFile All).LeftOut | Should -BeNullOrEmpty
    }

    It 'completes the pids of the image' {
        $line = 'Export-CracCoreDump tree ./x.core -ProcessId '
        (TabExpansion2 $line $line.Length).CompletionMatches.CompletionText | Should -Be $ids.ForEach({ "$_" })
    }
}

# The cores themselves are compared with the debuggers' own in DebuggerTests.
Describe 'the lines that lead to a debugger' {
    AfterEach {
        Pop-Location
        Stop-TestProgram
    }

    It 'run as they stand for a program in <Language><Note>' -ForEach $languages.ForEach({ $_ + @{ Note = Get-SkipNote $_.Obstacle } }) {
        Push-Location (New-Item -ItemType Directory "$folder/$Language")
        if ($Obstacle) { Set-ItResult -Skipped -Because $Obstacle }
        $started = Start-TestProgram (& $Start) -Output "$PWD/out"
        Wait-Until { Select-String -LiteralPath "$PWD/out" -Pattern "^$Ready" -Quiet } 'the program is ready'

        $core = Invoke-CracCheckpoint -Id $started -ImagePath ./cr -LeaveRunning | Export-CracCoreDump -DestinationPath ./app.core
        Test-Running $started | Should -BeTrue
        $core.Path | Should -Be "$PWD/app.core"
        $exe = $core.Executable
        $said = & $Debug | Out-String
        foreach ($shown in $Shows) { $said | Should -Match $shown }

        $null = Invoke-CracCheckpoint -Id $started -ImageName "app-$($Language -replace '\W')"
        $cores = Get-CracImage "app-$($Language -replace '\W')" | Export-CracCoreDump -DestinationPath ./cores/
        $cores.Path | Should -Be "$PWD/cores/app-$($Language -replace '\W').$started.core"
        $exe | Should -Be $cores.Executable
    }
}
