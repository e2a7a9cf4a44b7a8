BeforeDiscovery {
    Import-Module "$PSScriptRoot/Support.psm1"
    $obstacle = Get-CriuObstacle python3
}

Describe 'Start-CracProcess' {
    BeforeAll {
        Import-Module "$PSScriptRoot/Support.psm1"
        $folder = Enter-CracTest
        $python = Find-Program python3

        function Get-FreePort {
            $listener = [Net.Sockets.TcpListener]::new([Net.IPAddress]::Loopback, 0)
            $listener.Start()
            $listener.LocalEndpoint.Port
            $listener.Stop()
        }

        # The parents of processes that have ended and were not reaped.
        function Get-ZombieParent {
            foreach ($directory in [IO.Directory]::EnumerateDirectories('/proc').Where({ [IO.Path]::GetFileName($_) -match '^\d+$' })) {
                try {
                    if ([IO.File]::ReadAllText("$directory/stat") -match '\) Z (\d+) ') { [int] $Matches[1] }
                }
                catch [IO.IOException] {
                    # No process, or gone meanwhile.
                    continue
                }
            }
        }
    }
    AfterAll { Exit-CracTest }
    AfterEach {
        Stop-TestProgram
    }

    It 'starts a program that other cmdlets take' {
        $process = Start-CracProcess sleep 1000
        Add-TestProgram $process.Id
        $process.PSObject.TypeNames[0] | Should -Be 'PSCrac.CracStartedProcess'
        ($process | Get-Process).Id | Should -Be $process.Id
        $process | Stop-Process
        $process.WaitForExit([timespan]::FromSeconds(10)) | Should -BeTrue
        $process.ExitCode | Should -Be 137 -Because 'Stop-Process sends SIGKILL'
    }

    It 'touches nothing with -WhatIf' {
        $process = Start-CracProcess touch "$folder/whatif" -WhatIf
        $process | Should -BeNullOrEmpty
        "$folder/whatif" | Should -Not -Exist
    }

    It 'waits for a script block, which has the process as $_' {
        $seen = [Collections.Generic.List[int]]::new()
        $process = Start-CracProcess sleep 1000 -ReadyScript { $seen.Add($_.Id); $seen.Count -ge 3 }
        Add-TestProgram $process.Id
        $seen | Select-Object -Unique | Should -Be $process.Id
        $seen.Count | Should -Be 3
        $process.ReadyTime | Should -BeGreaterThan ([timespan]::Zero)
    }

    It 'shows the phase it is in, once it has taken half a second or runs a script' {
        $module = (Get-Module PSCrac).Path
        $shell = [powershell]::Create()
        try {
            $null = $shell.AddScript('param($module) Import-Module $module; $ProgressPreference = "Continue"').AddArgument($module).Invoke()
            foreach ($case in @(
                    @{ Command = "Start-CracProcess sh '-c', 'touch $folder/quick; exec sleep 1000' -ReadyFile $folder/quick"; Shown = $null }
                    @{ Command = "Start-CracProcess sh '-c', 'sleep 1; touch $folder/slow; exec sleep 1000' -ReadyFile $folder/slow"; Shown = 'Waiting until it is ready' }
                    @{ Command = 'Start-CracProcess sleep 1000 -WarmUp { }'; Shown = 'Warming up' }
                )) {
                $shell.Commands.Clear()
                $shell.Streams.ClearStreams()
                $watch = [Diagnostics.Stopwatch]::StartNew()
                Add-TestProgram @($shell.AddScript($case.Command).Invoke())[0].Id
                $shell.Streams.Error | Should -BeNullOrEmpty
                $shown = @($shell.Streams.Progress)
                if ($case.Shown) {
                    # A slow machine shows the phases before it, too.
                    $shown.Where({ $_.RecordType -eq 'Processing' })[-1].StatusDescription | Should -Be $case.Shown
                    @($shown.Where({ $_.RecordType -eq 'Completed' })).Count | Should -Be 1
                }
                elseif ($watch.ElapsedMilliseconds -lt 500) {
                    $shown | Should -BeNullOrEmpty -Because 'a bar that is gone at once only flickers'
                }
            }
        }
        finally {
            $shell.Dispose()
        }
    }

    It 'says why a program ended before it was ready' {
        $output = "$folder/ended"
        { Start-CracProcess sh '-c', 'echo no such queue >&2; exit 3' -ReadyPort 1 -StandardErrorPath $output } |
            Should -Throw -ErrorId 'ProgramEnded,PSCrac.Commands.StartCracProcessCommand' -PassThru |
            ForEach-Object {
                $_.Exception.ExitCode | Should -Be 3
                $_.Exception.OutputLines | Should -Be 'no such queue'
                $_.ErrorDetails.Message | Should -Match 'program: no such queue'
            }
    }

    It 'ends a program that is not ready in time' {
        $failure = { Start-CracProcess sleep 1000 -ReadyFile "$folder/never" -ReadyTimeout 1 } |
            Should -Throw -ErrorId 'TimedOut,*' -PassThru
        Test-Running $failure.Exception.ProcessId | Should -BeFalse
    }

    It 'refuses a pattern without an output to look at' {
        { Start-CracProcess sleep 1000 -ReadyPattern x } | Should -Throw -ErrorId 'OptionRefused,*'
    }

    It "warms up, checkpoints, and is restored until it answers$(Get-SkipNote $obstacle)" -Skip:([bool] $obstacle) {
        $port = Get-FreePort
        $uri = "http://127.0.0.1:$port/"
        $process = Start-CracProcess $python '-m', 'http.server', '--bind', '127.0.0.1', $port -ReadyUri $uri -ImageName web -WarmUp {
            1..3 | ForEach-Object { Invoke-WebRequest $uri }
        }
        $process.HasExited | Should -BeTrue
        $process.Image.Name | Should -Be 'web'
        $restored = Restore-CracProcess web -ReadyUri $uri
        Add-TestProgram $restored.Id
        $restored.ReadyTime | Should -BeGreaterOrEqual $restored.RestoreTime
        (Invoke-WebRequest $uri).StatusCode | Should -Be 200
    }

    It "restores an image that matches, and replaces one that does not$(Get-SkipNote $obstacle)" -Skip:([bool] $obstacle) {
        $null = New-Item -ItemType Directory "$folder/deployed/conf" -Force
        Set-Content -LiteralPath "$folder/deployed/app.py" -Value 'import time; print("ready", flush=True); time.sleep(1000)'
        Set-Content -LiteralPath "$folder/deployed/conf/a.yml" -Value 'a: 1'
        $start = @{
            FilePath = $python; ArgumentList = 'app.py', '8080'; WorkingDirectory = "$folder/deployed"; Environment = @{ MODE = 'one' }
            StandardOutputPath = "$folder/deployed/out"; ReadyPattern = 'ready'; ImagePath = "$folder/deployed/image"; DependsOn = 'conf/*.yml'
            OrRestore = $true; WarningVariable = 'said'; WarningAction = 'Ignore'
        }
        # Starts or restores it, ends it, and gives what was said of the image, or whether it was restored where nothing was.
        function Test-Start([hashtable] $Difference = @{}) {
            $with = $start.Clone()
            foreach ($name in $Difference.Keys) { $with[$name] = $Difference[$name] }
            Push-Location "$folder/deployed"
            $process = Start-CracProcess @with
            Pop-Location
            $process.End()
            $said ? ($process.IsRestored ? 'restored with a warning' : "$said") : $process.IsRestored
        }
        Test-Start | Should -BeFalse
        Test-Start | Should -BeTrue

        Set-Content -LiteralPath "$folder/deployed/conf/a.yml" -Value 'a: 2'
        Test-Start @{ IgnoreChange = $true } | Should -BeTrue
        Test-Start | Should -BeLike "*/image does not match what is started, *: $folder/deployed/conf/a.yml has changed. -IgnoreChange *"
        Test-Start | Should -BeTrue
        Test-Start @{ Force = $true } | Should -BeFalse

        Test-Start @{ ArgumentList = 'app.py', '9090' } | Should -BeLike "*: argument 2 is '9090', not '8080'. *"
        Test-Start @{ ArgumentList = 'app.py', '9090'; Environment = @{ MODE = 'two' } } | Should -BeLike '*: the environment variable MODE has another value. *'
        Test-Start @{ ArgumentList = 'app.py', '9090'; Environment = @{ MODE = 'two' } } | Should -BeTrue
    }

    It "has a pid namespace of its own, and its image goes there again, twice$(Get-SkipNote $obstacle)" -Skip:([bool] $obstacle) {
        Set-Content -LiteralPath "$folder/answer.py" -Value @'
import os, signal
signal.signal(signal.SIGUSR1, lambda *_: print("answer", os.getpid(), flush=True))
print("ready", flush=True)
while True:
    signal.pause()
'@
        $process = Start-CracProcess $python "$folder/answer.py" -PidNamespace New -StandardOutputPath "$folder/answers" -ReadyPattern ready -ImageName answering
        $process.HasExited | Should -BeTrue
        $process.ImageProcessId | Should -Not -Be $process.Id
        $copies = 1..2 | ForEach-Object { Restore-CracProcess answering -PidNamespace New -StandardOutputPath "$folder/answers$_" }
        $copies.ImageProcessId | Select-Object -Unique | Should -Be $process.ImageProcessId
        foreach ($i in 1, 2) {
            bash -c "kill -USR1 $($copies[$i - 1].Id)"
            Wait-Until { (Test-Path -LiteralPath "$folder/answers$i") -and (Get-Content -LiteralPath "$folder/answers$i") -eq "answer $($process.ImageProcessId)" } 'it answers'
        }
        $copies | Stop-Process
        Wait-Until { -not $copies.Where({ (Test-Running $_.Id) -or (Test-Running $_.NamespaceInitId) }) } 'the namespaces end'
    }

    It 'gives a program that ends in its pid namespace its own exit code' {
        $process = Start-CracProcess sh '-c', 'exit 3' -PidNamespace New
        $process.WaitForExit([timespan]::FromSeconds(10)) | Should -BeTrue
        $process.ExitCode | Should -Be 3
    }

    It 'takes what it has started with it when its session is killed before it is ready' {
        $script = "Import-Module '$((Get-Module PSCrac).Path)'; Start-CracProcess sleep 1000 -ReadyScript { if (-not (Test-Path '$folder/pid')) { Set-Content '$folder/new' `$_.Id; Move-Item '$folder/new' '$folder/pid' }; `$false }"
        $pwsh = '"' + (@(Get-PwshCommand) -join '" "') + '"'
        $session = Start-TestProgram "$pwsh -NoProfile -EncodedCommand $([Convert]::ToBase64String([Text.Encoding]::Unicode.GetBytes($script)))"
        Wait-Until { Test-Path -LiteralPath "$folder/pid" } 'the program is started'
        $id = [int](Get-Content -LiteralPath "$folder/pid")
        Test-Running $id | Should -BeTrue
        Stop-Process -Id $session -Force
        Wait-Until { -not (Test-Running $id) } 'the program ends'
    }

    It "serves as a container's only process, the first time and the next$(Get-SkipNote $obstacle)" -Skip:([bool] $obstacle) {
        $log = "$folder/container.log"
        $script = "$folder/container.ps1"
        Set-Content -LiteralPath "$folder/server.py" -Value @'
import os, signal, sys, time
def orphan(*_):
    if os.fork() == 0:
        if os.fork() == 0:
            print("orphan", os.getpid(), flush=True)
            os._exit(0)
        os._exit(0)
    os.wait()
signal.signal(signal.SIGTERM, lambda *_: sys.exit(9))
signal.signal(signal.SIGINT, lambda *_: sys.exit(8))
signal.signal(signal.SIGHUP, lambda *_: print("hangup", flush=True))
signal.signal(signal.SIGUSR1, orphan)
print("serving", flush=True)
while True:
    time.sleep(0.05)
    print("on", flush=True)
'@
        Set-Content -LiteralPath $script -Value @"
Import-Module '$((Get-Module PSCrac).Path)'
`$service = Start-CracProcess '$python' '$folder/server.py' -ImagePath '$folder/container' -OrRestore -Wait -StandardOutputPath '$log' -ReadyPattern serving
"restored: `$(`$service.IsRestored)"
exit `$service.ExitCode
"@
        $pwsh = '"' + (@(Get-PwshCommand) -join '" "') + '"'
        foreach ($run in @($false, 'TERM', 9), @($true, 'TERM', 9), @($true, 'INT', 8)) {
            $isRestored, $last, $exitCode = $run
            $output = "$folder/container-$isRestored-$last.out"
            $before = (Test-Path -LiteralPath $log) ? (Get-Item -LiteralPath $log).Length : 0
            # PowerShell is PID 1 of a new pid and mount namespace. What bash starts in the background ignores SIGINT.
            $id = Start-TestProgram "sh -c 'unshare --pid --mount --fork --mount-proc --kill-child env --default-signal=HUP,INT,QUIT,TERM $pwsh -NoProfile -File $script; echo exit code `$?'" -Output $output
            Wait-Until { (Test-Path -LiteralPath "$folder/container") -and (Get-Item -LiteralPath $log).Length -gt $before + 20 } 'the service runs' -Seconds 60
            $unshare = (Get-Content "/proc/$id/task/$id/children").Trim()
            $shell = (Get-Content "/proc/$unshare/task/$unshare/children").Trim()
            foreach ($signal in @{ HUP = 'hangup' }, @{ USR1 = 'orphan \d+' }) {
                bash -c "kill -$($signal.Keys) $shell"
                Wait-Until { [IO.File]::ReadAllText($log).Substring($before) -match "$($signal.Values)" } "SIG$($signal.Keys) arrives"
            }
            # Who is PID 1 reaps the orphan: the namespace has pwsh, the program and the program's guard.
            Wait-Until { -not ((Get-ZombieParent) -contains $shell) } 'the orphan is reaped'
            bash -c "kill -$last $shell"
            Wait-Until { (Get-Content -LiteralPath $output -Raw) -match 'exit code' } 'the container ends' -Seconds 30
            $text = Get-Content -LiteralPath $output -Raw
            # SIGINT stops the script too, as Ctrl+C does, but the exit code is the program's.
            $text -match "restored: $isRestored" | Should -Be ($last -ne 'INT')
            $text | Should -Match "exit code $exitCode"
        }
    }
}
