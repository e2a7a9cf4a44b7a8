# Ctrl+C in the middle of a dump: the process goes on unharmed, and nothing of the image is left.

BeforeDiscovery {
    Import-Module "$PSScriptRoot/Support.psm1"
    $obstacle = Get-CriuObstacle
    $noPython = Get-CriuObstacle python3
}

BeforeAll {
    Import-Module "$PSScriptRoot/Support.psm1"
    $folder = Enter-CracTest

    # Counts, and holds so much memory that its dump can be met half-way.
    function Start-BigCount([string] $Path) {
        $program = "
import time
big = bytearray(b`"x`") * (600 << 20)
n = 0
out = open(`"$Path`", `"a`", buffering=1)
while True:
    n += 1
    print(n, file=out)
    time.sleep(0.03)
"
        $id = Start-TestProgram "$(Find-Program python3) -c '$program'"
        Wait-Count $Path 2
        $id
    }

    function Get-ForeignMap([int] $Id) {
        [IO.File]::ReadAllLines("/proc/$Id/maps").Where({ $_ -match 'CRIUMFD' })
    }
}

AfterAll {
    Exit-CracTest
}

Describe "an interrupted checkpoint$(Get-SkipNote $noPython)" -Skip:([bool] $noPython) {
    BeforeEach {
        $work = (New-Item -ItemType Directory "$folder/$([guid]::NewGuid())").FullName
        $null = New-Item -ItemType Directory "$work/to"
        $id = Start-BigCount "$work/n"
    }

    AfterEach {
        Stop-TestProgram
        Remove-Item -Recurse -LiteralPath $work
    }

    It 'leaves the process and the target as they were when the pipeline is stopped' {
        $shell = [powershell]::Create()
        $null = $shell.AddScript("Import-Module '$(Split-Path (Get-Module PSCrac).Path)/PSCrac.psd1'; Invoke-CracCheckpoint $id '$work/to/cr'")
        $running = $shell.BeginInvoke()
        Wait-Until { (Test-DumpUnderWay "$work/to") -or $running.IsCompleted } 'the dump is under way'
        $shell.Stop()
        $shell.InvocationStateInfo.State | Should -Be 'Stopped' -Because 'it had not ended before'
        $shell.Dispose()

        Get-ChildItem "$work/to" -Force | Should -BeNullOrEmpty
        Test-Running $id | Should -BeTrue
        Get-ForeignMap $id | Should -BeNullOrEmpty
        Wait-CountingOn "$work/n"
        Find-Gap "$work/n" | Should -BeNullOrEmpty
        # Unharmed enough for the whole way.
        (Invoke-CracCheckpoint $id "$work/to/cr" -NoSync | Restore-CracProcess).Id | Should -Be $id
        Wait-CountingOn "$work/n"
    }

    It 'leaves them as they were when Ctrl+C is pressed at a terminal' {
        # python keeps the terminal: it presses Ctrl+C when the file "press" appears.
        $terminal = @'
import os, pty, sys, time
pid, master = pty.fork()
if pid == 0:
    os.execvp(sys.argv[2], sys.argv[2:])
pressed = False
os.set_blocking(master, False)
while True:
    try:
        if not os.read(master, 65536):
            break
    except BlockingIOError:
        time.sleep(0.01)
    except OSError:
        break
    if not pressed and os.path.exists(sys.argv[1]):
        os.write(master, b"\x03")
        pressed = True
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) & 255)
'@
        Set-Content "$work/terminal.py" $terminal
        $command = "Import-Module '$(Split-Path (Get-Module PSCrac).Path)/PSCrac.psd1'; Invoke-CracCheckpoint $id '$work/to/cr'; Set-Content '$work/went-on' x"
        $start = [Diagnostics.ProcessStartInfo]::new((Find-Program python3), [string[]] (@("$work/terminal.py", "$work/press", 'env', '--default-signal=HUP,INT,QUIT,TERM') + @(Get-PwshCommand) + @('-NoLogo', '-NoProfile', '-Command', $command)))
        $start.RedirectStandardInput = $true
        $terminalProcess = [Diagnostics.Process]::Start($start)
        Wait-Until { (Test-DumpUnderWay "$work/to") -or $terminalProcess.HasExited } 'the dump is under way' -Seconds 60
        $null = New-Item "$work/press"
        $terminalProcess.WaitForExit(30000) | Should -BeTrue -Because 'Ctrl+C ends it'

        Test-Path "$work/went-on" | Should -BeFalse -Because 'the script was interrupted in the checkpoint'
        Get-ChildItem "$work/to" -Force | Should -BeNullOrEmpty
        Test-Running $id | Should -BeTrue
        Get-ForeignMap $id | Should -BeNullOrEmpty
        Wait-CountingOn "$work/n"
        Find-Gap "$work/n" | Should -BeNullOrEmpty
    }

    It 'stops waiting for a restored process with -Wait, which goes on' {
        $waiting = Start-Count "$work/m"
        $null = Invoke-CracCheckpoint $waiting "$work/small"
        $shell = [powershell]::Create()
        $null = $shell.AddScript("Import-Module '$(Split-Path (Get-Module PSCrac).Path)/PSCrac.psd1'; Restore-CracProcess '$work/small' -Wait")
        $running = $shell.BeginInvoke()
        Wait-CountingOn "$work/m"
        $running.IsCompleted | Should -BeFalse
        $shell.Stop()
        $shell.InvocationStateInfo.State | Should -Be 'Stopped'
        $shell.Dispose()
        Wait-CountingOn "$work/m"
    }
}

Describe "an interrupted export of a core$(Get-SkipNote $noPython)" -Skip:([bool] $noPython) {
    AfterAll {
        Stop-TestProgram
    }

    It 'leaves nothing' {
        $work = (New-Item -ItemType Directory "$folder/core").FullName
        $id = Start-TestProgram "$(Find-Program python3) -c 'import os, time; big = os.urandom(500 << 20); open(`"$work/ready`", `"w`").close(); time.sleep(1000000)'"
        Wait-Until { Test-Path "$work/ready" } 'the program is ready'
        $null = Invoke-CracCheckpoint $id "$work/cr" -NoSync
        $null = New-Item -ItemType Directory "$work/to"

        $shell = [powershell]::Create()
        $null = $shell.AddScript("Import-Module '$(Split-Path (Get-Module PSCrac).Path)/PSCrac.psd1'; Export-CracCoreDump '$work/cr' '$work/to/app.core' -Compression Zstd")
        $running = $shell.BeginInvoke()
        Wait-Until { (Get-ChildItem "$work/to" -Force) -or $running.IsCompleted } 'the export is under way'
        $shell.Stop()
        $shell.InvocationStateInfo.State | Should -Be 'Stopped' -Because 'it had not ended before'
        $shell.Dispose()
        Get-ChildItem "$work/to" -Force | Should -BeNullOrEmpty

        # Once more, to its end.
        (Export-CracCoreDump "$work/cr" "$work/to/app.core" -Compression Zstd).Path | Should -Be "$work/to/app.core"
    }
}

Describe 'an interrupted test of an image' {
    It 'ends at once, however long its files are' {
        $path = (New-Item -ItemType Directory "$folder/long").FullName
        # inventory.img with no entry, pstree.img with process 7, and a terabyte whose hash the manifest has.
        [IO.File]::WriteAllBytes("$path/inventory.img", [byte[]] (0x16, 0x31, 0x31, 0x58))
        [IO.File]::WriteAllBytes("$path/pstree.img", [byte[]] (0x19, 0x43, 0x56, 0x54, 0x30, 0x30, 0x27, 0x50, 8, 0, 0, 0, 8, 7, 16, 0, 24, 7, 32, 7))
        $manifest = @{
            format = 1; created = '2026-11-27T00:00:00Z'; host = @{ name = 'x' }; process = @{ rootPid = 7 }
            files   = @(@{ name = 'tmpfs-1.tar.gz.img'; size = 1TB; sha256 = '0' * 64 })
        }
        [IO.File]::WriteAllText("$path/pscrac.json", ($manifest | ConvertTo-Json -Depth 4))
        $big = [IO.File]::Create("$path/tmpfs-1.tar.gz.img")
        $big.SetLength(1TB)
        $big.Dispose()

        $shell = [powershell]::Create()
        $null = $shell.AddScript("Import-Module '$(Split-Path (Get-Module PSCrac).Path)/PSCrac.psd1'; Test-CracImage -LiteralPath '$path' -Full -SkipTrustCheck")
        $running = $shell.BeginInvoke()
        [Threading.Thread]::Sleep(3000)
        $running.IsCompleted | Should -BeFalse -Because 'a terabyte takes longer'
        $clock = [Diagnostics.Stopwatch]::StartNew()
        $shell.Stop()
        $clock.Elapsed.TotalSeconds | Should -BeLessThan 5
        $shell.InvocationStateInfo.State | Should -Be 'Stopped'
        $shell.Dispose()
    }
}
