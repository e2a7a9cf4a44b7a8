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

Describe "Test-CracProcess$(Get-SkipNote $obstacle)" -Skip:([bool] $obstacle) {
    BeforeAll {
        $id = Start-TestProgram "bash -c 'exec 7>$folder/lock; flock 7; exec sleep 1000'"
        Wait-Until { [IO.File]::ReadAllText("/proc/$id/comm") -eq "sleep`n" } 'the lock is held'
        $plain = Start-TestProgram 'sleep 1000'
    }

    It 'tells the option that would be chosen, and why' {
        $finding = Test-CracProcess $id | Where-Object Reason -EQ FileLocksHeld
        $finding.Severity | Should -Be 'Option'
        $finding.ProcessId | Should -Be $id
        $finding.What | Should -Match 'lock'
        $finding.IsAutomatic | Should -BeTrue
        $finding.RecommendedAction | Should -Match '-FileLocks'
        Test-CracProcess $id -Quiet | Should -BeTrue
    }

    It 'makes a blocker of it where no options are to be chosen' {
        (Test-CracProcess $id -NoAutoOption | Where-Object Reason -EQ FileLocksHeld).Severity | Should -Be 'Blocker'
        Test-CracProcess $id -NoAutoOption -Quiet | Should -BeFalse
    }

    It 'finds nothing in the way of a plain process' {
        Test-CracProcess $plain | Where-Object Severity -In Blocker, Option | Should -BeNullOrEmpty
        Test-CracProcess $plain -Quiet | Should -BeTrue
    }

    It 'refuses its own session, and init' {
        (Test-CracProcess $PID | Where-Object Severity -EQ Blocker).Reason | Should -Contain 'ProcessNotEligible'
        Test-CracProcess $PID, 1 -Quiet | Should -Be $false, $false
    }

    It 'takes ids and processes, from the pipeline by value and by property' {
        Test-CracProcess -Id $id, $plain -Quiet | Should -Be $true, $true
        Get-Process -Id $id | Test-CracProcess -Quiet | Should -BeTrue
        [pscustomobject]@{ Id = $plain } | Test-CracProcess -Quiet | Should -BeTrue
        Test-CracProcess -InputObject (Get-Process -Id $id) -Quiet | Should -BeTrue
    }

    It 'names a process that is not there, and goes on; with -Quiet it is false' {
        $findings = @(Test-CracProcess 2147483647, $id -ErrorAction SilentlyContinue -ErrorVariable errors)
        $findings.ProcessId | Should -Contain $id
        $errors.FullyQualifiedErrorId | Should -Be 'ProcessNotFound,PSCrac.Commands.TestCracProcessCommand'
        $errors[0].ErrorDetails.RecommendedAction | Should -Match 'Get-Process'
        $errors[0].TargetObject | Should -Be 2147483647
        Test-CracProcess 2147483647, $id -Quiet -ErrorAction Stop | Should -Be $false, $true
    }

    It 'refuses an id of <_>' -ForEach 0, -5 {
        { Test-CracProcess $_ } | Should -Throw -ErrorId 'ParameterArgumentValidationError,*'
    }

    It 'leaves the process as it was' {
        $before = [IO.File]::ReadAllText("/proc/$id/stat").Split(' ')[2, 3, 4, 5]
        $null = Test-CracProcess $id
        [IO.File]::ReadAllText("/proc/$id/stat").Split(' ')[2, 3, 4, 5] | Should -Be $before
        [IO.File]::ReadAllText("/proc/$id/status") | Should -Match 'TracerPid:\s+0'
    }

    It 'agrees with what a checkpoint then does' {
        $verbose = Invoke-CracCheckpoint $id "$folder/cr" -Verbose 4>&1
        ($verbose | Where-Object { $_ -is [Management.Automation.VerboseRecord] }) -join ' ' | Should -Match 'FileLocks|file-locks|lock'
        ($verbose | Where-Object { $_ -is [PSCrac.CracImage] }).Options.Keys | Should -Contain 'file-locks'
    }

    It 'shows as a table of 80 columns' {
        $lines = (Test-CracProcess $PID | Out-String -Width 80).Trim().Split("`n")
        $lines[0] | Should -Be "Process: $PID"
        $lines.Where({ $_ -match '^Severity' }) | Should -Match '^Severity ProcessId What, why and RecommendedAction'
        ($lines | Measure-Object -Property Length -Maximum).Maximum | Should -BeLessOrEqual 80
    }
}
