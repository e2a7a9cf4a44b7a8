BeforeDiscovery {
    Import-Module "$PSScriptRoot/Support.psm1"
    $obstacle = Get-CriuObstacle
}

BeforeAll {
    Import-Module "$PSScriptRoot/Support.psm1"
    $folder = Enter-CracTest
}

AfterAll {
    Exit-CracTest
}

Describe "Get-CracProcess$(Get-SkipNote $obstacle)" -Skip:([bool] $obstacle) {
    AfterEach {
        Get-CracProcess | Stop-Process -Force
        Wait-Until { -not (Get-CracProcess) } 'what was started has ended'
    }

    It 'gives what was started and restored, in other sessions too' {
        $started = Start-CracProcess sleep 1000
        $restored = [int] (Invoke-ChildPwsh "Start-CracProcess sleep 2000 -ImageName nap -WarningAction SilentlyContinue | Out-Null; (Restore-CracProcess nap).Id").Output
        $found = Get-CracProcess | Sort-Object IsRestored
        $found | Should -BeOfType PSCrac.CracRunningProcess
        $found.Id | Should -Be $started.Id, $restored
        $found.IsRestored | Should -Be $false, $true
        $found[1].ImagePath | Should -Be "$env:PSCRAC_IMAGE_ROOT/nap"
        $found[1].Command | Should -Match 'sleep 2000$'
        $found[1].Since | Should -BeGreaterThan ([datetime]::Now.AddMinutes(-5))
        $found[1].HasLazyPages | Should -BeFalse
        $found[1].NamespaceInitId | Should -BeNullOrEmpty
        (Get-CracProcess -Id $restored).ImagePath | Should -Be $found[1].ImagePath
        ($restored | ForEach-Object { Get-Process -Id $_ } | Get-CracProcess).Id | Should -Be $restored
    }

    It 'does not give what has ended, nor what has its pid since' {
        $started = Start-CracProcess sleep 1000
        Stop-Process -Id $started.Id -Force
        Wait-Until { $started.HasExited } 'it has ended'
        Get-CracProcess | Should -BeNullOrEmpty

        $other = Start-CracProcess sleep 1000
        $record = Get-ChildItem "$env:PSCRAC_STATE_ROOT/running" -Filter "*-$($other.Id).json"
        $text = Get-Content -Raw $record | ConvertFrom-Json
        $text.startTimeTicks -= 1
        $text | ConvertTo-Json | Set-Content $record
        Get-CracProcess | Should -BeNullOrEmpty
        Stop-Process -Id $other.Id -Force
    }

    It 'binds to Stop-Process, Get-Process and Invoke-CracCheckpoint by its Id' {
        $id = (Start-CracProcess sleep 1000).Id
        (Get-CracProcess | Get-Process).Id | Should -Be $id
        (Get-CracProcess | Invoke-CracCheckpoint -ImagePath "$folder/again" -LeaveRunning).RootProcessId | Should -Be $id
        Get-CracProcess | Stop-Process
        Wait-Until { -not (Test-Running $id) } 'it has ended'
    }

    It 'tells the first process of a namespace of its own' {
        $started = Start-CracProcess sleep 1000 -PidNamespace New
        $found = Get-CracProcess
        $found.Id | Should -Be $started.Id
        $found.NamespaceInitId | Should -Be $started.NamespaceInitId
    }

    It 'has an error for a process that is not PSCrac''s' {
        Get-CracProcess -Id $PID -ErrorVariable failed -ErrorAction SilentlyContinue | Should -BeNullOrEmpty
        $failed.FullyQualifiedErrorId | Should -BeLike 'ProcessNotFound,*'
        Get-CracProcess none | Should -BeNullOrEmpty
    }
}
