# Restores with other files than at the checkpoint.

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

Describe "Restore-CracProcess with other files$(Get-SkipNote $obstacle)" -Skip:([bool] $obstacle) {
    BeforeEach {
        $work = (New-Item -ItemType Directory "$folder/$([guid]::NewGuid())").FullName
        # Counts on its standard output, which is no file opened for appending.
        $id = Start-TestProgram "bash -c 'i=0; while :; do i=`$((i+1)); echo `$i; sleep 0.03; done'" -Output "$work/n"
        Wait-Count "$work/n" 3
        $image = Invoke-CracCheckpoint -Id $id -ImagePath "$work/cr"
    }

    AfterEach {
        Stop-TestProgram
    }

    It 'sends the output elsewhere, by a path from here' {
        $before = (Get-Count "$work/n").Count
        Push-Location $work
        try { $null = $image | Restore-CracProcess -StandardOutputPath other -StandardErrorPath ./errors -StandardInputPath /dev/null }
        finally { Pop-Location }
        Wait-Count "$work/other" 3
        (Get-Count "$work/other")[0] | Should -Be ($before + 1)
        (Get-Count "$work/n").Count | Should -Be $before
        Test-Path "$work/errors" | Should -BeTrue
    }

    It 'refuses a file that has grown, says how to go on, and goes on' {
        Add-Content "$work/n" 'meanwhile'
        { $image | Restore-CracProcess -ErrorAction Stop } | Should -Throw -ErrorId 'FileChanged,*'
        $Error[0].ErrorDetails.RecommendedAction | Should -Match '-ReopenGrownFile'
        $lines = (Get-Content "$work/n").Count
        $null = $image | Restore-CracProcess -ReopenGrownFile
        Wait-Until { (Get-Content "$work/n").Count -ge $lines + 3 } 'it counts on'
        (Get-Content "$work/n")[$lines - 1] | Should -Be 'meanwhile'
        [int](Get-Content "$work/n")[$lines] | Should -Be $lines
    }

    It 'finds a file that has moved' {
        Move-Item "$work/n" "$work/moved"
        { $image | Restore-CracProcess -ErrorAction Stop } | Should -Throw -ErrorId 'FileMissing,*'
        $null = $image | Restore-CracProcess -ReplaceFile @{ "$work/n" = "$work/moved" }
        Wait-CountingOn "$work/moved"
        Find-Gap "$work/moved" | Should -BeNullOrEmpty
    }

    It 'refuses to replace a file that the image does not have' {
        { $image | Restore-CracProcess -ReplaceFile @{ '/no/such' = "$work/n" } -ErrorAction Stop } | Should -Throw -ErrorId 'OptionRefused,*'
    }
}
