BeforeDiscovery {
    Import-Module "$PSScriptRoot/Support.psm1"
    $obstacle = Get-CriuObstacle
    if (-not $obstacle -and -not (Find-Program python3)) { $obstacle = 'there is no python3' }
    $note = Get-SkipNote $obstacle
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
    }
    AfterAll { Exit-CracTest }
    AfterEach {
        foreach ($each in Get-Variable process, restored -ValueOnly -ErrorAction Ignore) {
            if ($each -and (Test-Running $each.Id)) { Stop-Process -Id $each.Id -Force }
        }
        $process = $restored = $null
    }

    It 'starts a program that other cmdlets take' {
        $process = Start-CracProcess sleep 1000
        $process.PSObject.TypeNames[0] | Should -Be 'PSCrac.CracStartedProcess'
        ($process | Get-Process).Id | Should -Be $process.Id
        $process | Stop-Process
        $process | Wait-Process -Timeout 10
        $process.ExitCode | Should -Be 143
    }

    It 'touches nothing with -WhatIf' {
        $process = Start-CracProcess touch "$folder/whatif" -WhatIf
        $process | Should -BeNullOrEmpty
        "$folder/whatif" | Should -Not -Exist
    }

    It 'waits for a script block, which has the process as $_' {
        $seen = [Collections.Generic.List[int]]::new()
        $process = Start-CracProcess sleep 1000 -ReadyScript { $seen.Add($_.Id); $seen.Count -ge 3 }
        $seen | Select-Object -Unique | Should -Be $process.Id
        $seen.Count | Should -Be 3
        $process.ReadyTime | Should -BeGreaterThan ([timespan]::Zero)
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

    It "warms up, checkpoints, and is restored until it answers<note>" -Skip:([bool]$obstacle) -TestCases @{ note = $note } {
        $port = Get-FreePort
        $uri = "http://127.0.0.1:$port/"
        $process = Start-CracProcess $python '-m', 'http.server', '--bind', '127.0.0.1', $port -ReadyUri $uri -ImageName web -WarmUp {
            1..3 | ForEach-Object { Invoke-WebRequest $uri }
        }
        $process.HasExited | Should -BeTrue
        $process.Image.Name | Should -Be 'web'
        $restored = Restore-CracProcess web -ReadyUri $uri
        $restored.ReadyTime | Should -BeGreaterOrEqual $restored.RestoreTime
        (Invoke-WebRequest $uri).StatusCode | Should -Be 200
        Stop-Process -Id $restored.Id
        Wait-Until { -not (Test-Running $restored.Id) } 'the restored server ends'
    }

    It "serves as a container's only process, the first time and the next<note>" -Skip:([bool]$obstacle) -TestCases @{ note = $note } {
        $log = "$folder/container.log"
        $script = "$folder/container.ps1"
        $server = 'import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: sys.exit(9)); print("serving", flush=True)', 'while True: time.sleep(0.05); print("on", flush=True)' -join "`n"
        Set-Content -LiteralPath $script -Value @"
Import-Module '$((Get-Module PSCrac).Path)'
`$service = Start-CracProcess '$python' '-c', '$($server.Replace("'", "''"))' -ImagePath '$folder/container' -OrRestore -Wait -StandardOutputPath '$log' -ReadyPattern serving
"restored: `$(`$service.IsRestored)"
exit `$service.ExitCode
"@
        foreach ($isRestored in $false, $true) {
            $before = (Test-Path $log) ? (Get-Item $log).Length : 0
            # PID 1 of a new pid and mount namespace; unshare passes its exit code on.
            $job = Start-ThreadJob {
                $output = & unshare --pid --mount --fork --mount-proc (Get-Process -Id $PID).Path -NoProfile -File $using:script 2>&1
                [pscustomobject]@{ Output = $output -join "`n"; ExitCode = $LASTEXITCODE }
            }
            try {
                Wait-Until { $job.State -ne 'Running' -or ((Test-Path $log) -and (Get-Item $log).Length -gt $before + 20 -and (Test-Path "$folder/container")) } 'the service runs' -Seconds 60
                $shell = Get-CimlessChild $script
                if ($shell) { bash -c "kill -TERM $shell" }
                $result = $job | Wait-Job -Timeout 30 | Receive-Job
                $result.Output | Should -Match "restored: $isRestored"
                $result.ExitCode | Should -Be 9
            }
            finally {
                $job | Remove-Job -Force
            }
        }
    }
}
