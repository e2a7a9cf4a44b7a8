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

Describe "Test-CracEnvironment$(Get-SkipNote $obstacle)" -Skip:([bool] $obstacle) {
    BeforeAll {
        $rows = @(Test-CracEnvironment)
    }

    It 'has a row each for criu, libcriu, criu check and the capabilities' {
        $rows | Should -BeOfType PSCrac.CracCapability
        foreach ($name in 'criu', 'libcriu', 'criu check', 'CAP_SYS_ADMIN', 'CAP_SYS_PTRACE', 'feature cache') { $rows.Name | Should -Contain $name }
        $rows.Name | Sort-Object -Unique | Should -HaveCount $rows.Count -Because 'no row is there twice'
    }

    It 'says of each row what it found and what needs it, and of each that is missing what to do' {
        foreach ($row in $rows) {
            $row.Detail | Should -Not -BeNullOrEmpty -Because $row.Name
            $row.NeededFor | Should -Not -BeNullOrEmpty -Because $row.Name
            if (-not $row.IsAvailable) { $row.RecommendedAction | Should -Not -BeNullOrEmpty -Because $row.Name }
        }
    }

    It 'agrees with criu about <_>' -ForEach 'mem_dirty_track', 'uffd-noncoop', 'timens', 'compress' {
        $name = $_
        & (Find-CriuPath) check --feature $name 2>&1 | Out-Null
        $rows.Where({ $_.Name -eq $name }).IsAvailable | Should -Be ($LASTEXITCODE -eq 0)
    }

    It 'says how the network would be locked: with nftables where criu can, else with iptables' {
        & (Find-CriuPath) check --feature network_lock_nftables 2>&1 | Out-Null
        $row = $rows.Where({ $_.Name -eq 'network lock' })
        $row.Detail | Should -Match ($LASTEXITCODE -eq 0 ? 'nftables is chosen' : 'iptables')
    }

    It 'has a row for <_>, which criu runs' -ForEach 'ip', 'tar', 'gzip' {
        $name = $_
        $rows.Where({ $_.Name -eq $name }).IsAvailable | Should -Be ([bool] (Get-Command $name -CommandType Application -ErrorAction Ignore))
    }

    It 'gives one true or false with -Quiet' {
        $quiet = Test-CracEnvironment -Quiet
        $quiet | Should -BeOfType bool
        $quiet | Should -Be (-not $rows.Where({ $_.IsRequired -and -not $_.IsAvailable }))
    }

    It 'says where criu was looked for when there is none, and how to get it' {
        $row = (Invoke-ChildPwsh 'Test-CracEnvironment | Where-Object Name -EQ criu | ConvertTo-Json' @{ CRAC_CRIU_PATH = '/nowhere/criu' }).Output | ConvertFrom-Json
        $row.IsAvailable | Should -BeFalse
        $row.IsRequired | Should -BeTrue
        $row.Detail | Should -Match 'CRAC_CRIU_PATH.*/nowhere/criu'
        $row.RecommendedAction | Should -Match 'CRAC_CRIU_PATH'
        (Invoke-ChildPwsh 'Test-CracEnvironment -Quiet' @{ CRAC_CRIU_PATH = '/nowhere/criu' }).Output | Should -Be 'False'
    }

    It 'looks at the criu that -CriuPath names' {
        Test-CracEnvironment -CriuPath (Find-CriuPath) | Where-Object Name -EQ criu | ForEach-Object Detail | Should -Match '-CriuPath'
        (Test-CracEnvironment -CriuPath /bin/true | Where-Object Name -EQ criu).Detail | Should -Match 'not criu'
    }

    It 'changes nothing: no folder is made' {
        Test-Path $env:PSCRAC_IMAGE_ROOT | Should -BeFalse
        Test-Path $env:PSCRAC_LOG_ROOT | Should -BeFalse
    }

    It 'marks what is missing in its table, which fits 80 columns' {
        $table = (Invoke-ChildPwsh 'Test-CracEnvironment | Out-String -Width 80' @{ CRAC_CRIU_PATH = '/nowhere/criu' }).Output.Split("`n")
        $table.Where({ $_ -match '^criu ' }) | Should -Match 'MISSING'
        ($table | Measure-Object -Property Length -Maximum).Maximum | Should -BeLessOrEqual 80
    }
}
